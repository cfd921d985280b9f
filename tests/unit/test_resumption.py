"""Did a restored guest's areas come along? The guest and the record must say the same."""

from dataclasses import replace

from papvmm.observe.record import Line, RunRecord, Spot
from papvmm.observe.resumption import resumption_in
from papvmm.trace.events import HvWrite
from tests.played_reboot import played_reboot


def restored(told: str, *vcpus_with_areas: int) -> RunRecord:
    writes = [
        HvWrite(0x100, b"\0", b"\1", "enter", "VPA", "lppaca.yield_count", vcpu, 0, 5, None)
        for vcpu in vcpus_with_areas
    ]
    spots = tuple(Spot(write, write, foreign=False) for write in writes)
    return replace(played_reboot(keep=False), spots=spots, console=(Line(9, told),))


def test_areas_of_every_vcpu_came_along():
    resumption = resumption_in(restored("hibernate: 2 of 2 cpus were resumed, memory intact", 0, 1))

    assert resumption is not None
    assert (resumption.lost, resumption.agreed) == (False, True)


def test_areas_that_neither_witness_has_seen_again_are_lost():
    resumption = resumption_in(restored("hibernate: 0 of 2 cpus were resumed, memory intact"))

    assert resumption is not None
    assert (resumption.lost, resumption.agreed) == (True, True)


def test_a_guest_that_notices_less_than_the_record_shows_contradicts_it():
    resumption = resumption_in(restored("hibernate: 1 of 2 cpus were resumed, memory intact", 0, 1))

    assert resumption is not None
    assert (resumption.lost, resumption.agreed) == (True, False)


def test_a_guest_that_notices_more_than_the_record_shows_contradicts_it():
    resumption = resumption_in(restored("hibernate: 2 of 2 cpus were resumed, memory intact", 0))

    assert resumption is not None
    assert (resumption.lost, resumption.agreed) == (True, False)


def test_a_guest_that_does_not_speak_of_it_was_not_restored():
    assert resumption_in(restored("kernel B: memory intact", 0)) is None
