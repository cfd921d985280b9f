"""Watchpoints on what the hypervisor stores: VPA, hypercalls and RTAS, by either address."""

import pytest

from papvmm.engine.watch import Watch
from papvmm.isa.state import CIA
from papvmm.machine.outcome import GuestAccess, HypervisorStores, Paused
from tests.guest_programs import ENTRY, FOREVER, guest_running, hcall

VPA = 0x8000
YIELD_COUNT = VPA + 0x100
UNKNOWN = 0x7FF0
COUNTING = f"{hcall(UNKNOWN)}; addi 10,10,1; b -12"


def guest_with_vpa(text, **config):
    guest = guest_running(text, **config)
    for vcpu in guest.vcpus:
        base = VPA + 0x1000 * vcpu.vcpu_id
        guest.memory.store_be(base + 4, 2, 640)
        assert vcpu.areas.register(vcpu.areas.vpa.kind, base, 0, online=True) is None
    return guest


def watch(guest, *watches):
    for vcpu in guest.vcpus:
        vcpu.engine.watchpoints.update(watches)


@pytest.mark.parametrize("accel", ["python", "native"])
def test_a_guest_entry_is_completed_before_the_machine_stops(accel):
    guest = guest_with_vpa(FOREVER, accel=accel)
    watch(guest, watched := Watch(YIELD_COUNT, 4))

    outcome = guest.run(1000)

    assert isinstance(outcome, Paused)
    assert isinstance(outcome.hit, HypervisorStores)
    *_, (which, write) = outcome.hit.stores
    assert which == watched
    assert (write.gpa, write.new, write.field) == (YIELD_COUNT, b"\0\0\0\2", "lppaca.yield_count")
    assert write.registration is not None
    assert write.registration.gpa == VPA
    assert guest.inside is guest.vcpus[0]
    assert guest.clock.icount == 0
    assert guest.run(1000) == Paused("limit")
    assert guest.clock.icount == 1000


@pytest.mark.parametrize("real", [False, True])
def test_exit_and_entry_around_a_hypercall_are_told_together(real):
    guest = guest_with_vpa(COUNTING)
    guest.run(1)
    watch(guest, Watch(YIELD_COUNT + 3, 1, real=real))

    outcome = guest.run(1000)

    assert isinstance(outcome, Paused)
    assert isinstance(outcome.hit, HypervisorStores)
    assert [write.actor for _, write in outcome.hit.stores] == ["exit", "enter"]
    assert [write.new[3] % 2 for _, write in outcome.hit.stores] == [1, 0]
    assert guest.clock.icount == 2
    assert guest.vcpus[0].state.read(CIA) == ENTRY + 8


def test_the_guest_and_the_hypervisor_stop_in_the_order_of_their_accesses():
    guest = guest_with_vpa(f"lis 9,0; ori 9,9,{YIELD_COUNT:#x}; lwz 4,0(9); {COUNTING}")
    guest.run(1)
    watch(guest, watched := Watch(YIELD_COUNT, 4))

    first, second = guest.run(1000), guest.run(1000)

    load = GuestAccess(0, ENTRY + 8, YIELD_COUNT, 4, is_store=False, watch=watched)
    assert first == Paused("watchpoint", load)
    assert isinstance(second, Paused)
    assert isinstance(second.hit, HypervisorStores)


def test_loads_are_the_guests_alone():
    guest = guest_with_vpa(COUNTING)
    watch(guest, Watch(YIELD_COUNT, 4, stores=False))

    assert guest.run(1000) == Paused("limit")


def test_what_is_watched_no_longer_stops_nobody():
    guest = guest_with_vpa(COUNTING)
    watch(guest, Watch(YIELD_COUNT, 4))
    assert isinstance(guest.run(1000), Paused)
    for vcpu in guest.vcpus:
        vcpu.engine.watchpoints.clear()

    assert guest.run(1000) == Paused("limit")
    assert guest.run(1000) == Paused("limit")
