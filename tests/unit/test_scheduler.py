"""Whose turn it is follows from architected events alone."""

from papvmm.kvmapi.one_reg import get_one_reg, register_id
from papvmm.machine.scheduler import Scheduler
from tests.fakes import Partition

SLICE = 1000


def scheduler_with(vcpus):
    clock = vcpus[0].areas.door.clock
    scheduler = Scheduler(clock, SLICE)
    for vcpu in vcpus:
        scheduler.add(vcpu)
    return clock, scheduler


def test_turns_go_round_in_the_order_in_which_vcpus_became_ready():
    a, b, c = Partition(vcpus=3).vcpus
    _, scheduler = scheduler_with([b, a, c])

    order = []
    for _ in range(6):
        order.append(scheduler.next())
        scheduler.preempt()

    assert order == [b, a, c, b, a, c]


def test_a_slice_begins_whole_whatever_the_last_one_left():
    a, b = Partition().vcpus
    _, scheduler = scheduler_with([a, b])
    scheduler.next()
    scheduler.left = 7
    scheduler.block()

    scheduler.next()

    assert scheduler.left == SLICE


def test_waiting_for_a_turn_is_stolen_time_and_running_is_not():
    a, b = Partition().vcpus
    clock, scheduler = scheduler_with([a, b])
    scheduler.next()
    clock.count += 300
    scheduler.preempt()

    scheduler.next()

    assert (a.stolen_counts, b.stolen_counts) == (0, 300)


def test_a_vcpu_that_was_ready_before_anybody_looked_has_waited_since_then():
    a, _ = Partition().vcpus
    clock, scheduler = scheduler_with([a])
    scheduler.next()
    scheduler.block()
    clock.count = 5000
    scheduler.add(a, since=4200)

    scheduler.next()

    assert a.stolen_counts == 800


def test_purr_counts_only_its_own_vcpus_turns():
    a, b = Partition().vcpus
    clock, scheduler = scheduler_with([a, b])
    scheduler.next()
    clock.count += 125_000
    scheduler.preempt()
    scheduler.next()
    clock.count += 250_000
    scheduler.preempt()

    purrs = [get_one_reg(vcpu, register_id("PURR")) for vcpu in (a, b)]

    assert purrs == [(64_000,), (128_000,)]


def test_a_favoured_vcpu_overtakes_those_that_wait():
    a, b, c = Partition(vcpus=3).vcpus
    _, scheduler = scheduler_with([a, b, c])

    scheduler.favour(c)

    assert scheduler.waiting == (c, a, b)


def test_a_vcpu_that_waits_for_an_event_can_not_be_favoured():
    a, b, c = Partition(vcpus=3).vcpus
    _, scheduler = scheduler_with([a, b])

    scheduler.favour(c)

    assert scheduler.waiting == (a, b)
