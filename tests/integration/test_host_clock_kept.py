"""``--clock host`` and a guest that goes on elsewhere: no time passes for it on the way."""

import asyncio
from time import monotonic_ns

import pytest

from papvmm.clock import count_at
from papvmm.control.migration.figures import Status
from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import save
from papvmm.isa.state import GPR
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.papr.hcall import Hcall
from tests.guest_programs import FOREVER, hcall
from tests.integration.test_host_clock import MS, guest_with_timer, happens
from tests.migrating import here, moved, over, there

DUE = 150
ON_THE_WAY = 0.3


def sleeping():
    """Return a guest that sleeps until 150 ms after its start, and then notes the time base."""
    return guest_with_timer(f"{hcall(Hcall.H_CEDE)}; {FOREVER}", DUE * MS)


async def saved(guest, directory):
    save(guest, directory / "saved")
    await asyncio.sleep(ON_THE_WAY)
    return load(directory / "saved")


async def migrated(guest, directory):
    await asyncio.sleep(ON_THE_WAY)
    return await moved(guest, f"unix:{directory}/way")


@pytest.mark.parametrize("carry", [saved, migrated])
async def test_the_rest_of_a_sleep_is_slept_elsewhere(carry, tmp_path):
    guest = sleeping()
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()
        await asyncio.sleep(0.05)
        await machine.pause()
    slept = guest.clock.count

    copy = await carry(guest, tmp_path)

    assert copy.clock.count == slept
    async with Machine(copy, pace=Pace.ALWAYS) as machine:
        began = monotonic_ns()
        machine.resume()
        woke = await happens(lambda: copy.vcpus[0].state.read(GPR, 30))
        passed = monotonic_ns() - began
    assert woke
    assert passed >= DUE * MS - slept
    assert DUE * MS <= count_at(copy.vcpus[0].state.read(GPR, 30)) <= slept + passed


async def test_a_guest_that_runs_meanwhile_sees_its_time_base_go_on(tmp_path):
    """It never goes back, and never ahead of what has passed on the host."""
    guest, uri = guest_with_timer("mftb 30; b -4", 10_000 * MS), f"unix:{tmp_path}/way"
    began = monotonic_ns()
    async with (
        here(guest, pace=Pace.ALWAYS) as (machine, leaving),
        there(guest.config, uri, pace=Pace.ALWAYS) as (other, coming),
    ):
        machine.resume()
        leaving.send(machine, uri)
        assert await over(leaving) is Status.COMPLETED
        assert await over(coming) is Status.COMPLETED
        left = guest.vcpus[0].state.read(GPR, 30)
        state = other.guest.vcpus[0].state
        goes_on = await happens(lambda: state.read(GPR, 30) > left)
        await other.pause()

    assert goes_on
    assert left <= state.read(GPR, 30)
    assert count_at(state.read(GPR, 30)) <= monotonic_ns() - began
