"""External interrupts: keys and other vcpus end a cede, in an order that the host can't change."""

import asyncio

import pytest

from papvmm.devices.vty import VTY_INTERRUPT
from papvmm.devices.xics import IPI
from papvmm.isa.state import DEC_EXPIRY, GPR
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.papr.hcall import Hcall
from papvmm.vcpu.vcpu import VcpuRunState
from tests.guest_programs import ENTRY, FOREVER, guest_running, hcall, place

EXTERNAL_VECTOR, DECREMENTER_VECTOR = 0x500, 0x900
NEVER = 1 << 54
"""An expiry, in ticks, that no test lives to see."""
WAITER = ENTRY + 0x1000
WILLING = hcall(Hcall.H_CPPR, 0xFF)
CEDE = hcall(Hcall.H_CEDE)
XIRR = f"{hcall(Hcall.H_XIRR)}; mr 30,4"


def guest_with_a_waiter(boot_vcpu, **config):
    """Return a guest whose vcpu 1 cedes; interrupted, it reads XIRR into r30."""
    guest = guest_running(boot_vcpu, vcpus=2, **config)
    place(guest.memory, f"{WILLING}; {CEDE}; {FOREVER}", at=WAITER)
    place(guest.memory, f"{XIRR}; {FOREVER}", at=EXTERNAL_VECTOR)
    place(guest.memory, FOREVER, at=DECREMENTER_VECTOR)
    guest.vcpus[1].start(WAITER, 0)
    guest.scheduler.add(guest.vcpus[1])
    for vcpu in guest.vcpus:
        vcpu.state.write(DEC_EXPIRY, NEVER)
    return guest


def has_accepted(guest):
    return guest.vcpus[1].state.read(GPR, 30) != 0


async def happens(condition):
    for _ in range(2000):
        if condition():
            return True
        await asyncio.sleep(0.001)
    return False


async def test_a_key_ends_the_wait_of_the_vcpu_that_it_is_routed_to():
    guest = guest_with_a_waiter(CEDE)
    guest.xics.route(VTY_INTERRUPT, 1, 5)
    async with Machine(guest, pace=Pace.IDLE) as machine:
        machine.resume()
        all_waited = await happens(
            lambda: all(vcpu.run_state is VcpuRunState.CEDED for vcpu in guest.vcpus)
        )

        machine.feed(b"k")

        assert all_waited
        assert await happens(lambda: has_accepted(guest))
    assert guest.vcpus[1].state.read(GPR, 30) == 0xFF << 24 | VTY_INTERRUPT
    assert guest.vcpus[0].run_state is VcpuRunState.CEDED


async def test_idle_time_before_a_key_has_passed_for_the_guest():
    guest = guest_with_a_waiter(CEDE)
    async with Machine(guest, pace=Pace.IDLE) as machine:
        machine.resume()
        await happens(lambda: all(v.run_state is VcpuRunState.CEDED for v in guest.vcpus))
        began = guest.clock.count
        await asyncio.sleep(0.02)

        machine.feed(b"k")

        assert guest.clock.count - began >= 15_000_000


def test_an_ipi_ends_a_cede_and_is_accepted_as_interrupt_2():
    guest = guest_with_a_waiter(f"{CEDE}; {hcall(Hcall.H_IPI, 1, 4)}; {FOREVER}", slice_counts=5000)
    guest.vcpus[0].prod()

    guest.run(50_000)

    assert guest.vcpus[1].state.read(GPR, 30) == 0xFF << 24 | IPI


def test_an_interrupt_that_waits_already_ends_a_cede_at_once():
    guest = guest_with_a_waiter(FOREVER, slice_counts=5000)
    guest.xics.set_cppr(1, 0xFF)
    guest.xics.request_ipi(1, 4)

    guest.run(20_000)

    assert has_accepted(guest)


@pytest.mark.parametrize("stretch", [1, 7, 1000, 100_000])
def test_the_order_of_turns_is_that_of_events_however_short_the_hosts_stretches_are(stretch):
    guest = guest_with_a_waiter(FOREVER, slice_counts=10_000)
    guest.run(30_000)
    assert guest.vcpus[1].run_state is VcpuRunState.CEDED
    guest.vcpus[1].state.write(DEC_EXPIRY, 16_000)

    turns = []
    while guest.clock.count < 60_000:
        vcpu = guest.next_turn()
        if not turns or turns[-1] is not vcpu:
            turns.append(vcpu)
        guest.advance(guest.clock.count + stretch)

    assert [vcpu.vcpu_id for vcpu in turns] == [0, 1, 0]
