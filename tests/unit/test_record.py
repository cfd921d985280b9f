"""What the recorder keeps of a run: whose stores they were, and what they replaced."""

from papvmm.clock import VirtualClock
from papvmm.memory.door import HypervisorDoor, Origin
from papvmm.memory.guest_memory import GuestMemory
from papvmm.observe.activity import BINS, FINEST, Activity
from papvmm.observe.record import KEPT, Recorder, RunRecord, Spot, Turn
from papvmm.trace.events import (
    AreaRequested,
    MachineReset,
    Registration,
    VcpuEntered,
    VcpuLeft,
)
from papvmm.trace.hub import Tracer

VPA = 0x2000
YIELD_COUNT = 0x2100


class Recorded:
    """A recorder, and what it listens to."""

    def __init__(self, handover_line: str = "") -> None:
        self.clock = VirtualClock()
        self.tracer = Tracer()
        self.door = HypervisorDoor(GuestMemory(0x10000), self.clock, self.tracer)
        self.recorder = Recorder(handover_line)
        self.recorder.listen(self.tracer, self.clock)
        self.numbers = 0

    def register(self) -> Registration:
        self.numbers += 1
        registration = Registration(
            self.numbers, "VPA", 0, VPA, 640, "H_REGISTER_VPA", 0,
            self.door.generation, self.clock.icount,
        )  # fmt: skip
        self.tracer.emit(AreaRequested(registration))
        return registration

    def store(self, registration: Registration, data: bytes, gpa: int = YIELD_COUNT) -> None:
        self.clock.count += 10
        origin = Origin("enter", 0, "VPA", "lppaca.yield_count", registration)
        self.door.store(gpa, data, origin)

    def reset(self) -> None:
        self.door.generation += 1
        self.tracer.emit(MachineReset(self.door.generation, self.clock.icount, "test", "keep"))

    def finish(self) -> RunRecord:
        return self.recorder.finish(self.door.memory)


def only_spot(record: RunRecord) -> Spot:
    (spot,) = record.spots
    return spot


def test_a_store_into_an_area_registered_before_the_reset_is_foreign():
    run = Recorded()
    old = run.register()
    run.reset()

    run.store(old, b"\0\0\0\2")

    assert only_spot(run.finish()).foreign


def test_a_store_into_an_area_registered_after_the_reset_is_not_foreign():
    run = Recorded()
    run.register()
    run.reset()

    run.store(run.register(), b"\0\0\0\2")

    assert not only_spot(run.finish()).foreign


def test_stores_of_the_exit_before_the_reset_are_not_foreign_though_no_instruction_is_between():
    run = Recorded()
    run.store(run.register(), b"\0\0\0\3")
    run.reset()

    record = run.finish()

    assert [store.foreign for store in record.stores] == [False]
    assert record.spots == ()


def test_what_a_spot_was_is_what_the_guest_stored_last():
    run = Recorded()
    old = run.register()
    run.reset()
    run.store(old, b"\0\0\0\2")
    run.door.memory.write(YIELD_COUNT, b"\xaa\xaa\xaa\xaa")

    run.store(old, b"\xaa\xaa\xaa\xab")
    run.store(old, b"\xaa\xaa\xaa\xac")

    spot = only_spot(run.finish())
    assert (spot.first.old, spot.now, spot.count) == (b"\xaa\xaa\xaa\xaa", b"\xaa\xaa\xaa\xac", 2)
    assert (spot.first.icount, spot.last.icount) == (20, 30)


def test_a_spot_that_the_guest_has_overwritten_does_not_survive():
    run = Recorded()
    old = run.register()
    run.reset()
    run.store(old, b"\0\0\0\2")

    run.door.memory.write(YIELD_COUNT, b"\xaa\xaa\xaa\xaa")

    assert not only_spot(run.finish()).survives


def test_where_the_next_kernel_registers_its_own_area_in_the_same_place_a_new_spot_begins():
    run = Recorded()
    old = run.register()
    run.reset()
    run.store(old, b"\0\0\0\2")

    run.store(run.register(), b"\0\0\0\3")

    spot = only_spot(run.finish())
    assert (spot.foreign, spot.first.old, spot.count) == (False, b"\0\0\0\2", 1)


def test_a_line_of_the_guest_can_be_the_handover():
    run = Recorded("kernel A: jumps")
    old = run.register()
    for piece in (b"kernel A: ju", b"mps\nker", b"nel B\n"):
        run.clock.count += 1
        run.recorder.print(piece)

    run.store(old, b"\0\0\0\2")

    record = run.finish()
    assert record.handover is not None
    assert record.handover.icount == 2
    assert only_spot(record).foreign
    assert [(line.icount, line.text) for line in record.console] == [
        (1, "kernel A: jumps"),
        (2, "kernel B"),
    ]


def test_a_turn_lasts_from_an_entry_to_the_next_exit_and_an_open_one_to_the_end():
    run = Recorded()
    run.tracer.emit(VcpuEntered(1, 0, 5, 0x100))
    run.tracer.emit(VcpuLeft(1, 0, 9, 0x120, "cede"))
    run.tracer.emit(VcpuEntered(0, 0, 9, 0x200))
    run.clock.count = 12

    record = run.finish()

    assert record.turns == (Turn(1, 5, 9, 0x100, "cede"), Turn(0, 9, 12, 0x200, ""))


def test_what_is_kept_of_a_long_run_is_what_happened_around_the_reset():
    run = Recorded()
    old = run.register()
    for _ in range(2 * KEPT):
        run.store(old, b"\0\0\0\2")
    run.reset()
    for _ in range(2 * KEPT):
        run.store(old, b"\0\0\0\2")

    icounts = [store.write.icount for store in run.finish().stores]

    reset = 2 * KEPT * 10
    assert icounts == list(range(reset - KEPT * 10 + 10, reset + KEPT * 10 + 10, 10))


def test_of_two_resets_the_second_is_the_handover_and_what_was_between_is_before_it():
    run = Recorded()
    old = run.register()
    run.reset()
    run.store(old, b"\0\0\0\2")
    run.reset()
    run.store(old, b"\0\0\0\3")

    record = run.finish()

    assert record.handover is not None
    assert record.handover.icount == 10
    assert [store.write.icount for store in record.stores] == [10, 20]
    assert only_spot(record).count == 1


def test_the_pages_of_areas_and_stores_are_kept_as_they_are_at_the_end():
    run = Recorded()
    run.register()
    run.door.memory.write(VPA + 8, b"end")

    pages = run.finish().pages

    assert list(pages) == [VPA]
    assert pages[VPA][8:11] == b"end"


def test_an_activity_of_any_length_keeps_every_store_in_its_stretch():
    activity = Activity()
    for icount in (0, 1, FINEST * BINS - 1, 40 * FINEST * BINS):
        activity.count(icount, foreign=icount > 1)

    assert activity.width == 64 * FINEST
    assert activity.own[0] == 2
    assert activity.foreign[FINEST * BINS // activity.width - 1] == 1
    assert activity.foreign[40 * FINEST * BINS // activity.width] == 1
    assert sum(activity.own) + sum(activity.foreign) == 4
