"""The machine as those who steer it see it."""

import asyncio

import pytest

from papvmm.isa.state import CIA, GPR
from papvmm.machine.guest import Guest
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import GuestReset, NoProgress, Paused, PoweredOff, Quit, VcpuCrashed
from papvmm.machine.runstate import IllegalMove, RunState
from papvmm.papr.hcall import Hcall
from papvmm.trace.events import VcpuEntered, VcpuLeft
from tests.guest_programs import ENTRY, FOREVER, guest_calling, guest_running, hcall, place

VPA = 0x8000
YIELD_COUNT = VPA + 0x100
CEDE = hcall(Hcall.H_CEDE)


def with_vpa(guest: Guest) -> Guest:
    guest.memory.store_be(VPA + 4, 2, 640)
    vcpu = guest.vcpus[0]
    assert vcpu.areas.register(vcpu.areas.vpa.kind, VPA, 0, online=True) is None
    return guest


async def finished(guest, **options):
    async with Machine(guest, **options) as machine:
        machine.resume()
        return await machine.rest()


async def test_a_guest_that_powers_off_ends_the_machine():
    assert await finished(guest_calling("power-off", nargs=2)) == PoweredOff()


async def test_a_reset_with_action_shutdown_ends_the_machine():
    config = guest_calling("system-reboot").config
    guest = guest_calling("system-reboot", on_reboot=type(config.on_reboot)("shutdown"))

    assert await finished(guest) == GuestReset()


async def test_an_undefined_instruction_at_every_vector_is_a_crash_not_a_hang():
    outcome = await finished(guest_running("tdi 31,0,0"))

    assert isinstance(outcome, VcpuCrashed)
    assert outcome.cia == 0x700


async def test_a_guest_that_nothing_can_wake_is_no_progress():
    guest = guest_running(FOREVER)
    guest.vcpus[0].stop()
    guest.scheduler.clear()

    assert await finished(guest) == NoProgress()


async def test_pause_returns_between_two_entries_and_the_yield_count_is_odd():
    guest = with_vpa(guest_running(FOREVER, slice_counts=10_000))
    async with Machine(guest) as machine:
        machine.resume()
        await asyncio.sleep(0.01)

        await machine.pause()

        assert machine.run_state is RunState.PAUSED
        assert guest.inside is None
        assert guest.memory.load_be(YIELD_COUNT, 4) % 2 == 1


async def test_a_paused_guest_stands_still_and_goes_on_where_it_was():
    guest = guest_running(FOREVER, slice_counts=10_000)
    async with Machine(guest) as machine:
        machine.resume(limit=1000)
        await machine.rest()
        there = guest.vcpus[0].state.read(GPR, 10)
        await asyncio.sleep(0.01)

        machine.resume(limit=1000)
        await machine.rest()

        assert (there, guest.vcpus[0].state.read(GPR, 10)) == (500, 1000)


async def test_a_limit_in_the_middle_of_a_slice_is_no_guest_exit():
    guest = with_vpa(guest_running(FOREVER, slice_counts=10_000))
    seen = []
    guest.door.tracer.subscribe(VcpuEntered, seen.append)
    guest.door.tracer.subscribe(VcpuLeft, seen.append)
    async with Machine(guest) as machine:
        for _ in range(5):
            machine.resume(limit=777)
            await machine.rest()

    assert [type(event) for event in seen] == [VcpuEntered]
    assert guest.memory.load_be(YIELD_COUNT, 4) == 2


async def test_every_slice_ends_after_the_same_number_of_instructions():
    guest = guest_running(FOREVER, slice_counts=10_000)
    left = []
    guest.door.tracer.subscribe(VcpuLeft, left.append)
    async with Machine(guest) as machine:
        machine.resume(limit=45_000)
        await machine.rest()

    assert [event.icount for event in left] == [10_000, 20_000, 30_000, 40_000]


async def test_a_hypercall_is_an_exit_and_an_entry_and_the_slice_goes_on():
    guest = with_vpa(guest_running(f"{hcall(0x7770)}; b -8", slice_counts=10_000))
    async with Machine(guest) as machine:
        machine.resume(limit=20)
        await machine.rest()

    # li, sc, b in a circle: seven calls, and no entry yet after the last of them.
    assert guest.memory.load_be(YIELD_COUNT, 4) == 1 + 2 * 7


async def test_an_idle_machine_warps_to_the_decrementer():
    guest = guest_running(f"lis 5,0x100; mtspr 22,5; {CEDE}; {FOREVER}")
    place(guest.memory, "b 0", at=0x900)
    async with Machine(guest) as machine:
        machine.resume(limit=100)
        await machine.rest()

    ticks = 0x100 << 16
    assert guest.clock.icount == 100
    assert guest.clock.ticks >= ticks
    assert guest.vcpus[0].state.read(CIA) == 0x900


SLEEP = 50_000_000
"""Nanoseconds of virtual time: 25,600,000 ticks are 0x187 << 16, nearly."""


def sleeping_guest():
    """Return a guest that sleeps 50 ms in H_CEDE, and then runs for ever."""
    guest = guest_running(f"lis 5,0x187; mtspr 22,5; {CEDE}; {FOREVER}")
    place(guest.memory, "b 0", at=0x900)
    return guest


async def test_idle_time_takes_no_host_time_unless_it_is_paced():
    loop = asyncio.get_running_loop()
    took = []
    for pace in (Pace.NEVER, Pace.IDLE):
        guest = sleeping_guest()
        async with Machine(guest, pace=pace) as machine:
            begun = loop.time()
            machine.resume(limit=100)
            await machine.rest()
            took.append(loop.time() - begun)

    assert took[0] < SLEEP / 1e9 <= took[1] + 0.002


async def test_a_machine_pauses_while_its_guest_sleeps_and_sleeps_on_afterwards():
    guest = sleeping_guest()
    async with Machine(guest, pace=Pace.IDLE) as machine:
        machine.resume()
        await asyncio.sleep(0)

        await machine.pause()
        asleep = guest.clock.icount
        await asyncio.sleep(0.1)
        machine.resume(limit=100)
        await machine.rest()

    assert (asleep, guest.clock.icount) == (4, 104)


async def test_a_held_machine_serves_requests_and_goes_on_when_it_is_let_go():
    guest = guest_running(f"{hcall(0x7770)}; addi 10,10,1; b -12", slice_counts=10_000)
    async with Machine(guest) as machine:
        machine.resume()
        machine.hold(held=True, by="test")
        await asyncio.sleep(0.01)
        stood = guest.clock.icount

        served = await machine.between_entries(lambda: guest.clock.icount)
        machine.hold(held=False, by="test")
        await asyncio.sleep(0.01)
        await machine.pause()

    assert served == stood < guest.clock.icount


async def test_requests_are_served_between_two_entries():
    guest = guest_running(FOREVER, slice_counts=10_000)
    async with Machine(guest) as machine:
        machine.resume()
        await asyncio.sleep(0.01)

        inside = await machine.between_entries(lambda: guest.inside)

        assert inside is None
        assert machine.run_state is RunState.RUNNING


async def test_what_a_request_raises_is_raised_where_it_was_made_and_the_guest_goes_on():
    guest = guest_running(FOREVER, slice_counts=10_000)

    def fail():
        raise OSError("disk full")

    async with Machine(guest) as machine:
        machine.resume()

        with pytest.raises(OSError, match="disk full"):
            await machine.between_entries(fail)

        assert machine.run_state is RunState.RUNNING


async def test_a_reset_from_outside_starts_the_guest_again():
    guest = guest_running(FOREVER, slice_counts=10_000)
    async with Machine(guest) as machine:
        machine.resume(limit=25_000)
        await machine.rest()

        await machine.reset("host-qmp-system-reset")

        assert guest.door.generation == 1
        assert guest.vcpus[0].state.read(GPR, 10) == 0
        assert guest.vcpus[0].state.read(CIA) == 0


async def test_quit_ends_a_guest_that_never_leaves():
    guest = guest_running("b 0")
    async with Machine(guest) as machine:
        machine.resume()
        asyncio.get_running_loop().call_later(0.01, machine.quit, "SIGTERM")

        assert await machine.end() == Quit("SIGTERM")


async def test_a_machine_that_has_shut_down_can_not_run_again():
    async with Machine(guest_running(FOREVER)) as machine:
        machine.quit("test")

        with pytest.raises(IllegalMove):
            machine.resume()


async def test_leaving_the_block_leaves_no_task_behind():
    before = asyncio.all_tasks()
    async with Machine(guest_running(FOREVER, vcpus=4)) as machine:
        machine.resume()

    assert asyncio.all_tasks() == before


def trail(guest, *, limits):
    """Run through the limits; return all the guest could tell apart, and where it was."""
    writes = []
    for limit in limits:
        outcome = guest.run(limit)
        assert outcome == Paused("limit")
        writes.append(bytes(guest.vcpus[0].state.buffer))
    return writes[-1], list(guest.door.writes), guest.memory.read(0, guest.memory.size)


def test_a_run_in_pieces_is_the_run_in_one():
    text = f"{hcall(0x7770)}; addi 10,10,1; mftb 11,268; stw 11,0x400(0); b -20"

    whole = trail(with_vpa(guest_running(text, slice_counts=700)), limits=[20_000])
    pieces = trail(
        with_vpa(guest_running(text, slice_counts=700)), limits=[1, 998, 1, 9000, 10_000]
    )

    assert pieces == whole


def test_the_library_and_the_loop_run_the_same_guest_alike():
    text = f"{hcall(0x7770)}; addi 10,10,1; b -12"
    looped = with_vpa(guest_running(text, slice_counts=700))

    async def run():
        async with Machine(looped) as machine:
            machine.resume(limit=50_000)
            await machine.rest()

    asyncio.run(run())
    direct = with_vpa(guest_running(text, slice_counts=700))
    direct.run(50_000)

    assert bytes(looped.vcpus[0].state.buffer) == bytes(direct.vcpus[0].state.buffer)
    assert list(looped.door.writes) == list(direct.door.writes)
    assert ENTRY <= direct.vcpus[0].state.read(CIA) <= ENTRY + 16
