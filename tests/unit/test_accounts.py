"""What is counted for those who watch: time, instructions, hypercalls, stale stores."""

import asyncio

import pytest

from papvmm.machine.accounts import activity, hypercalls, time_spent
from papvmm.machine.host_clock import Pace
from papvmm.machine.machine import Machine
from papvmm.memory.door import Origin
from papvmm.papr.hcall import NO_TOKEN, Hcall, HcallStatus
from papvmm.trace.events import Registration
from tests.fakes import Partition
from tests.guest_programs import ENTRY, FOREVER, guest_running, hcall
from tests.hcalls import call

SLICE = 10_000
H_CEDE = hcall(Hcall.H_CEDE)


def two_vcpus(**config):
    guest = guest_running(FOREVER, vcpus=2, **config)
    guest.vcpus[1].start(ENTRY, 0)
    guest.scheduler.add(guest.vcpus[1])
    return guest


def spent(guest):
    return [time_spent(guest, vcpu) for vcpu in guest.vcpus]


def test_two_busy_vcpus_run_and_wait_in_turns():
    guest = two_vcpus(slice_counts=SLICE)

    guest.run(3 * SLICE + 1000)

    first, second = spent(guest)
    assert [activity(guest, vcpu) for vcpu in guest.vcpus] == ["preempted", "run"]
    assert [vcpu.instructions for vcpu in guest.vcpus] == [2 * SLICE, SLICE + 1000]
    assert (first.run, first.waiting, first.idle) == (2 * SLICE, SLICE + 1000, 0)
    assert (second.run, second.waiting, second.idle) == (SLICE + 1000, 2 * SLICE, 0)


def test_a_vcpu_that_ceded_or_never_started_is_idle():
    guest = guest_running(f"{H_CEDE}; {FOREVER}", vcpus=2)

    guest.run(2)

    assert [activity(guest, vcpu) for vcpu in guest.vcpus] == ["ceded", "stopped"]
    guest.clock.warp_to(1_000_002)
    ceded, stopped = spent(guest)
    assert (ceded.run, ceded.waiting, ceded.idle) == (2, 0, 1_000_000)
    assert (stopped.run, stopped.waiting, stopped.idle) == (0, 0, 1_000_002)


async def test_instructions_are_not_counted_by_the_hosts_clock():
    guest = two_vcpus(accel="python")
    async with Machine(guest, pace=Pace.ALWAYS) as machine:
        machine.resume()
        await asyncio.sleep(0.05)
        await machine.pause()

    counted = sum(vcpu.instructions for vcpu in guest.vcpus)

    assert guest.clock.warped > 0
    assert counted == guest.clock.icount
    assert sum(one.run for one in spent(guest)) > counted


def test_hypercalls_are_counted_by_name_whatever_their_answer():
    partition = Partition(vcpus=2)
    for made in ((Hcall.H_PROD, 1), (Hcall.H_PROD, 1), (Hcall.H_PROD, 7), (0x1234,), (0x5678,)):
        call(partition, *made)

    caller = partition.caller

    assert hypercalls(caller) == {"H_PROD": 3, "unknown": 2}
    assert caller.refused == {
        (Hcall.H_PROD, HcallStatus.H_PARAMETER): 1, (NO_TOKEN, HcallStatus.H_FUNCTION): 2,
    }  # fmt: skip


@pytest.mark.parametrize(("resets", "stale"), [(0, {}), (1, {(1, "DTL"): 2})])
def test_a_store_is_stale_if_its_area_is_older_than_the_last_reset(resets, stale):
    door = Partition().door
    registration = Registration(1, "DTL", 1, 0x1000, 96, "ONE_REG", None, 0, 0)
    store = door.storer(door.memory.number(0x1000, 8), Origin("enter", 1, "DTL", "", registration))
    anonymous = door.storer(door.memory.number(0x2000, 8), Origin("rtas", 0))
    door.generation += resets

    for value in (1, 2):
        store(value)
        anonymous(value)

    assert door.stale == stale
    assert [w for w in door.writes if w.is_stale][-1:] == ([door.latest_stale] if stale else [])
