"""What a guest's state is made of: whatever is added to a part must be captured, or named here."""

import pytest

from papvmm.machine.guest import Guest
from papvmm.machine.state import COUNTS, FIELDS, SHOWN, parts
from tests.guest_programs import guest_running

CAPTURED_ELSEWHERE = {
    "Guest": {"inside", "reasons"},
    "Scheduler": {"current", "_ready", "_ready_since"},
    "Vty": {"input"},
    "HypervisorDoor": {"writes"},
    "Vcpu": {"state"},
}
"""By ``GuestState`` itself, or as memory by checkpoints."""
PARTS = {
    "Guest": {
        "memory", "hash_table", "clock", "vcpus", "scheduler", "rtc", "random", "xics", "console",
        "nvram", "door",
    },
    "Vcpu": {"areas"},
    "VcpuAreas": {"vpa", "slb_shadow", "dtl"},
}  # fmt: skip
FIXED = {
    "Guest": {"config", "_hypercalls", "_load", "_by_id"},
    "Scheduler": {"_clock", "slice_counts"},
    "HypervisorDoor": {"memory", "clock", "tracer"},
    "Rtc": {"clock", "base"},
    "RandomSource": {"seed"},
    "Vcpu": {"vcpu_id", "model", "engine"},
    "VcpuAreas": {"vcpu_id", "level", "page", "door"},
    "VpaArea": {"kind"},
}
HOSTS = {
    "Guest": {"heed", "dirty_pages", "history", "stopped_at", "watch"},
    "Vty": {"output", "on_input", "shown"},
    "VcpuAreas": {"_dirty_pages"},
}
"""What the host wants to know; no guest can tell."""
DERIVED = {"VcpuAreas": {"_asked", "_vpa_stores", "_dtl_stores"}}
"""Found out anew by ``put_back``."""


def attributes(part):
    slots = {name for kind in type(part).__mro__ for name in getattr(kind, "__slots__", ())}
    return slots | set(getattr(part, "__dict__", ()))


@pytest.mark.parametrize("kind", FIELDS, ids=lambda kind: kind.__name__)
def test_every_attribute_is_captured_or_known_not_to_be_state(kind):
    guest = guest_running("b .", vcpus=2)
    name = kind.__name__
    known = set(FIELDS[kind] + COUNTS.get(kind, ()) + SHOWN.get(kind, ())).union(
        *(group.get(name, set()) for group in (CAPTURED_ELSEWHERE, PARTS, FIXED, HOSTS, DERIVED))
    )

    found = {frozenset(attributes(part)) for part in parts(guest) if type(part) is kind}

    assert found == {frozenset(known)}


def test_every_device_of_a_guest_is_known():
    guest = guest_running("b .")
    own = {
        type(value) for value in vars(guest).values() if type(value).__module__.startswith(DEVICES)
    }

    assert {kind.__name__ for kind in own} == {"Rtc", "RandomSource", "Xics", "Vty", "Nvram"}
    assert Guest in FIELDS


DEVICES = "papvmm.devices"
