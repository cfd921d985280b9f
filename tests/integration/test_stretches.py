"""How far a guest is driven at a time, which the host's clock decides, changes nothing in it."""

import pytest

from papvmm.clock import ticks_at
from papvmm.digests import sha256
from papvmm.isa.state import DEC_EXPIRY
from papvmm.machine.state import capture
from papvmm.papr.hcall import Hcall
from tests.guest_programs import FOREVER, guest_running, hcall, place

SECOND_ENTRY = 0x3000
SYSTEM_RESET, EXTERNAL, DECREMENTER = 0x100, 0x500, 0x900
DUE = 2000
AWAKE = 2002
"""When the decrementer of the vcpu that ceded is 0, and when it is negative: a tick later."""
BUSY = 5000
"""Instructions of the other vcpu, in the same slice, until it wakes that one."""
VIEWED = 250_000
WAYS = {
    "H_PROD": hcall(Hcall.H_PROD, 1),
    "H_IPI": hcall(Hcall.H_IPI, 1, 0),
    "nothing": "ori 0,0,0",
}


def guest_that_wakes(how, hv):
    """Return a guest whose vcpu 1 cedes, and is woken after its decrementer was due."""
    text = f"li 10,{BUSY}; mtctr 10; bc 16,0,0; {WAYS[how]}; {FOREVER}"
    guest = guest_running(text, vcpus=2, slice_counts=100_000, hv=hv)
    for vector in (SYSTEM_RESET, EXTERNAL, DECREMENTER):
        place(guest.memory, FOREVER, at=vector)
    waits = f"{hcall(Hcall.H_CPPR, 0xFF)}; {hcall(Hcall.H_CEDE)}; {FOREVER}"
    place(guest.memory, waits, at=SECOND_ENTRY)
    first, second = guest.vcpus
    second.start(SECOND_ENTRY, 0)
    second.state.write(DEC_EXPIRY, ticks_at(DUE))
    guest.scheduler.clear()
    guest.scheduler.add(second)
    guest.scheduler.add(first)
    return guest


def driven(guest, stretch):
    while (left := VIEWED - guest.clock.icount) > 0:
        guest.run(min(stretch, left))
    return capture(guest).digest, sha256(guest.memory.ram[:]).hexdigest()


@pytest.mark.parametrize("hv", ["kvm", "papr"])
@pytest.mark.parametrize("how", WAYS)
def test_a_vcpu_is_awake_since_its_decrementer_was_due(how, hv):
    whole, pieces = guest_that_wakes(how, hv), guest_that_wakes(how, hv)

    same = driven(whole, VIEWED) == driven(pieces, 100)

    assert same
    assert whole.vcpus[1].stolen_counts == pieces.vcpus[1].stolen_counts


@pytest.mark.parametrize("looks", [0, 3])
def test_a_system_reset_finds_a_vcpu_awake_since_then(looks):
    guest = guest_that_wakes("nothing", "kvm")
    guest.run(DUE // 2)
    guest.run(DUE)
    for _ in range(looks):
        guest.next_turn()

    guest.system_reset(guest.vcpus[1])

    assert guest.scheduler.ready_since(guest.vcpus[1]) == AWAKE
