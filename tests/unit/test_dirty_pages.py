"""Which pages of guest RAM changed: against a comparison of whole copies of it."""

import random
from mmap import PAGESIZE

import pytest

from papvmm.engine.accel import ACCELERATORS
from papvmm.machine.builder import boot
from papvmm.machine.config import MachineConfig
from papvmm.machine.dirty_pages import WINDOW, DirtyPages
from papvmm.machine.guest import Guest
from papvmm.memory.guest_memory import GuestMemory
from papvmm.observe.demonstrations import image

SIZE = 64 * PAGESIZE


def changed(before: bytes, after: bytes) -> dict[int, bytes]:
    """Return the pages of two copies of RAM that differ, with what they were."""
    pages = range(0, len(before), PAGESIZE)
    pairs = {gpa: (before[gpa : gpa + PAGESIZE], after[gpa : gpa + PAGESIZE]) for gpa in pages}
    return {gpa: old for gpa, (old, new) in pairs.items() if old != new}


def hibernating(accel: str) -> Guest:
    """Return a guest that fills memory and checks it, time and again."""
    kernel = image("hibernate.elf")
    config = MachineConfig(memory_size=8 << 20, accel=accel, kernel=kernel, append="rounds=0")
    return boot(config)


def test_what_was_there_before_stays_there_and_changes_are_found_with_their_old_content():
    memory, chance = GuestMemory(SIZE), random.Random(7)
    memory.write(3 * PAGESIZE - 8, bytes(range(1, 17)))
    at_first = memory.read(0, SIZE)
    changes = DirtyPages(memory).subscribe(before=True)
    assert memory.read(0, SIZE) == at_first

    for _ in range(50):
        before = memory.read(0, SIZE)
        for _ in range(chance.randrange(6)):
            length = chance.choice((1, 8, 100, 2 * PAGESIZE))
            gpa = chance.randrange(SIZE - length)
            if chance.random() < 0.3:
                memory.clear(gpa, length)
            else:
                memory.write(gpa, chance.randbytes(length))
        assert changes.take() == changed(before, memory.read(0, SIZE))
    assert changes.take() == {}


def test_each_subscriber_learns_everything_since_it_took_last():
    memory = GuestMemory(SIZE)
    dirty_pages = DirtyPages(memory)
    first, second = dirty_pages.subscribe(before=True), dirty_pages.subscribe()

    memory.write(0, b"one")
    assert first.take() == {0: bytes(PAGESIZE)}
    memory.write(0, b"two")
    memory.write(5 * PAGESIZE, b"more")

    assert first.take() == {0: b"one".ljust(PAGESIZE, b"\0"), 5 * PAGESIZE: bytes(PAGESIZE)}
    assert second.take() == {0: b"", 5 * PAGESIZE: b""}
    second.close()
    memory.write(9 * PAGESIZE, b"!")
    late = dirty_pages.subscribe()
    assert late.take() == {}
    assert list(first.take()) == [9 * PAGESIZE]


def test_a_page_that_is_what_it_was_has_not_changed():
    memory = GuestMemory(SIZE)
    changes = DirtyPages(memory).subscribe()

    memory.write(PAGESIZE, b"x")
    memory.write(PAGESIZE, b"\0")

    assert changes.take() == {}


@pytest.mark.parametrize("accel", [name for name in ACCELERATORS if name != "lockstep"])
def test_stores_of_guest_code_and_of_the_hypervisor_are_changes(accel):
    guest = hibernating(accel)
    changes = guest.dirty_pages.subscribe(before=True)

    for _ in range(5):
        before = guest.memory.read(0, guest.memory.size)
        guest.run(100_000)
        after = guest.memory.read(0, guest.memory.size)
        assert changes.take() == changed(before, after) != {}


def test_the_guest_does_the_same_whether_anybody_asks():
    ends = []
    for asked in (False, True):
        guest = hibernating("native")
        changes = guest.dirty_pages.subscribe() if asked else None
        for _ in range(10):
            guest.run(200_000)
            if changes is not None:
                changes.take()
        ends.append((guest.clock.icount, guest.memory.read(0, guest.memory.size)))

    assert ends[0] == ends[1]


def test_window_by_window_everything_is_found_first_and_then_what_changes():
    """Copying what is taken, and no more, gives what RAM holds, whatever happens meanwhile."""
    memory, chance = GuestMemory(3 * WINDOW + PAGESIZE), random.Random(11)
    windows = range(0, memory.size, WINDOW)
    for _ in range(40):
        memory.write(chance.randrange(memory.size - 100), chance.randbytes(100))
    dirty_pages = DirtyPages(memory)
    changes, copy = dirty_pages.subscribe(everything=True), bytearray(memory.size)
    sizes = []

    for round_number in range(5):
        sizes.append(0)
        for window in windows:
            if round_number < 4:
                memory.write(chance.randrange(memory.size - 100), chance.randbytes(100))
            if round_number == 1 and window == 0:
                assert dirty_pages.subscribe().take() == {}
            pages = changes.take_window(window)
            assert all(window <= gpa < window + WINDOW for gpa in pages)
            for gpa in pages:
                copy[gpa : gpa + PAGESIZE] = memory.read(gpa, PAGESIZE)
            sizes[-1] += len(pages)

    assert copy == memory.read(0, memory.size)
    assert 40 <= sizes[0] < 90
    assert changes.take() == {}


@pytest.mark.parametrize("followed", [False, True])
def test_all_that_holds_anything_is_populated_and_little_else(followed):
    memory = GuestMemory(4 * WINDOW)
    pages = DirtyPages(memory)
    written = [0, 5 * PAGESIZE, WINDOW - PAGESIZE, WINDOW, 3 * WINDOW + 8 * PAGESIZE]
    for gpa in written[:3]:
        memory.write(gpa, b"x")
    changes = pages.subscribe() if followed else None
    for gpa in written[3:]:
        memory.write(gpa, b"y")

    found = set()
    for start, stop in pages.populated(0, memory.size):
        found |= set(range(start, stop, PAGESIZE))

    assert found >= set(written)
    assert len(found) < 3 * len(written)
    assert list(pages.populated(100, 200)) == [(100, 200)]
    assert list(pages.populated(2 * WINDOW, 3 * WINDOW)) == []
    assert changes is None or set(changes.take()) == set(written[3:])
