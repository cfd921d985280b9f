"""``--clock host``: virtual time is the host's, neither ahead of it nor far behind."""

import asyncio
from time import monotonic_ns

import pytest

from papvmm.clock import count_at, ticks_at
from papvmm.isa.msr import MSR_EE
from papvmm.isa.state import DEC_EXPIRY, GPR, MSR
from papvmm.machine.host_clock import HostClock, Pace
from papvmm.machine.machine import Machine
from papvmm.papr.hcall import Hcall
from tests.guest_programs import FOREVER, guest_running, hcall, place
from tests.shell import IMAGES, papvmm

DECREMENTER_VECTOR = 0x900
MS = 1_000_000
LATE = 1000 * MS
"""How late a host may be that has other things to do."""
READS_TIME = "mftb 30; b -4"


async def happens(condition):
    for _ in range(10_000):
        if condition():
            return True
        await asyncio.sleep(0.001)
    return False


def noted(guest):
    return guest.vcpus[0].state.read(GPR, 30)


def guest_with_timer(text, ns, *, msr=0):
    """Return a guest that notes the time base in r30 when its decrementer interrupts it."""
    guest = guest_running(text)
    place(guest.memory, f"mftb 30; {FOREVER}", at=DECREMENTER_VECTOR)
    state = guest.vcpus[0].state
    state.write(DEC_EXPIRY, ticks_at(ns))
    state.write(MSR, state.read(MSR) | msr)
    return guest


@pytest.mark.parametrize("accel", ["native", "python"])
async def test_the_time_base_follows_the_hosts_clock(accel):
    guest = guest_running(READS_TIME, accel=accel)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        began = monotonic_ns()
        machine.resume()
        await asyncio.sleep(0.2)
        await machine.pause()
        passed = monotonic_ns() - began

    assert 0.9 * passed - 10 * MS <= guest.clock.count <= passed + 10 * MS
    assert guest.clock.count - LATE <= count_at(noted(guest)) <= guest.clock.count


async def test_a_guest_that_is_ahead_of_the_host_waits_for_it():
    guest = guest_running(FOREVER)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()
        await machine.between_entries(lambda: guest.clock.warp_to(10_000 * MS))
        completed = guest.clock.icount
        await asyncio.sleep(0.02)

        assert guest.clock.icount == completed


async def test_a_cede_takes_as_long_as_on_the_hosts_clock():
    guest = guest_with_timer(f"{hcall(Hcall.H_CEDE)}; {FOREVER}", 60 * MS)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        began = monotonic_ns()
        machine.resume()
        woke = await happens(lambda: noted(guest) != 0)
        passed = monotonic_ns() - began

    assert woke
    assert passed >= 60 * MS
    assert 60 * MS <= count_at(noted(guest)) <= passed


async def test_the_decrementer_interrupts_a_guest_that_executes_less_than_an_instruction_a_ns():
    guest = guest_with_timer(FOREVER, 60 * MS, msr=MSR_EE)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()

        assert await happens(lambda: noted(guest) != 0)
    assert 60 * MS <= count_at(noted(guest)) <= 60 * MS + LATE


async def test_no_time_passes_while_the_machine_is_paused():
    guest = guest_running(READS_TIME)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()
        await machine.pause()
        then = guest.clock.count
        await asyncio.sleep(0.2)

        resumed = monotonic_ns()
        machine.resume()
        await machine.pause()

        assert guest.clock.count - then <= monotonic_ns() - resumed + 100 * MS


async def test_time_passes_for_a_guest_that_waits_until_it_is_paused():
    guest = guest_with_timer(f"{hcall(Hcall.H_CEDE)}; {FOREVER}", 10_000 * MS)
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()
        await asyncio.sleep(0.05)
        await machine.pause()

    assert guest.clock.count >= 45 * MS


def test_a_key_finds_a_guest_for_which_time_has_passed():
    guest = guest_running(FOREVER)
    clock, host = guest.clock, HostClock(guest)
    host.start()

    host.catch_up(most=1)

    assert clock.count == 1
    assert host.ahead <= 1


def test_a_guest_prints_the_same_on_either_clock():
    image = IMAGES / "hello-le.elf"

    host, virtual = (papvmm("run", image, "--clock", clock) for clock in ("host", "virtual"))

    assert (host.returncode, host.stdout) == (virtual.returncode, virtual.stdout)
    assert host.returncode == 0
