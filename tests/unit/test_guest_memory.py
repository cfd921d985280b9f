"""Guest RAM: bounds, byte order, and who hears of code that changes."""

import ctypes

import pytest

from papvmm.clock import VirtualClock
from papvmm.memory.door import REMEMBERED, HypervisorDoor, Origin
from papvmm.memory.guest_memory import CODE_LINE, GuestMemory, OutOfRange
from papvmm.trace.events import HvWrite, Registration
from papvmm.trace.hub import Tracer

SIZE = 0x10000


@pytest.mark.parametrize("width", [1, 2, 4, 8])
def test_accessors_do_what_their_names_say_about_byte_order(width):
    memory = GuestMemory(SIZE)
    data = bytes(range(1, width + 1))
    memory.store_be(0x100, width, int.from_bytes(data, "big"))
    memory.store_le(0x200, width, int.from_bytes(data, "little"))

    assert memory.read(0x100, width) == memory.read(0x200, width) == data
    assert memory.load_be(0x200, width) == int.from_bytes(data, "big")
    assert memory.load_le(0x100, width) == int.from_bytes(data, "little")


@pytest.mark.parametrize(
    ("gpa", "length"), [(SIZE, 1), (SIZE - 7, 8), (-1, 1), (1 << 64, 8), (0, SIZE + 1), (0, -1)]
)
def test_nothing_outside_ram_is_read_or_written(gpa, length):
    memory = GuestMemory(SIZE)

    for access in (memory.read, memory.view):
        with pytest.raises(OutOfRange, match="outside guest RAM"):
            access(gpa, length)
    with pytest.raises(OutOfRange):
        memory.write(gpa, bytes(max(length, SIZE + 1)))


def test_the_last_byte_of_ram_is_ram():
    memory = GuestMemory(SIZE)

    memory.write(SIZE - 1, b"\x5a")

    assert memory.load_be(SIZE - 1, 1) == 0x5A


def test_ram_stays_at_one_host_address():
    memory = GuestMemory(SIZE)
    memory.write(0x1234, b"papvmm")

    assert ctypes.string_at(memory.host_address + 0x1234, 6) == b"papvmm"


def test_only_writes_to_marked_lines_are_told():
    memory = GuestMemory(SIZE)
    told = []
    memory.on_code_write(lambda gpa, length: told.append((gpa, length)))
    memory.code[0x1000 // CODE_LINE] = 1

    memory.write(0x0FF0, bytes(16))
    memory.write(0x1000 + CODE_LINE, bytes(16))
    memory.write(0x0FF0, bytes(17))
    memory.store_be(0x1000 + CODE_LINE - 1, 1, 0)

    assert told == [(0x0FF0, 17), (0x1000 + CODE_LINE - 1, 1)]


REGISTRATION = Registration(1, "VPA", 3, 0x2000, 640, "H_REGISTER_VPA", 3, 0, 77)
ORIGIN = Origin("enter", 3, "VPA", "lppaca.yield_count", REGISTRATION)


def door_at(count=0):
    clock = VirtualClock()
    clock.count = count
    return HypervisorDoor(GuestMemory(SIZE), clock, Tracer())


def test_the_door_remembers_who_wrote_what_when_and_what_was_there():
    door = door_at(500)
    door.memory.write(0x2100, b"\0\0\0\7")
    door.generation = 1

    door.store(0x2100, b"\0\0\0\x08", ORIGIN)

    assert list(door.writes) == [
        HvWrite(
            0x2100,
            b"\0\0\0\7",
            b"\0\0\0\x08",
            "enter",
            "VPA",
            "lppaca.yield_count",
            3,
            1,
            500,
            REGISTRATION,
        )
    ]
    assert door.memory.read(0x2100, 4) == b"\0\0\0\x08"
    assert door.writes[0].is_stale


def test_a_store_for_a_registration_of_this_generation_is_not_stale():
    door = door_at()

    door.store(0x2100, b"\1", ORIGIN)
    door.store(0x2100, b"\1", Origin("rtas", 0))

    assert [write.is_stale for write in door.writes] == [False, False]


def test_the_door_forgets_the_oldest_and_counts_them_all():
    door = door_at()

    for number in range(REMEMBERED + 3):
        door.store(number % SIZE, b"\1", ORIGIN)

    assert door.count == REMEMBERED + 3
    assert (len(door.writes), door.writes[0].gpa) == (REMEMBERED, 3)


def test_a_store_by_the_hypervisor_changes_code():
    door, told = door_at(), []
    door.memory.code[0x2100 // CODE_LINE] = 1
    door.memory.on_code_write(lambda gpa, length: told.append((gpa, length)))

    door.store(0x2100, b"\1\2\3\4", ORIGIN)

    assert told == [(0x2100, 4)]


def test_only_listeners_of_a_kind_hear_of_it_and_none_after_leaving():
    door, heard = door_at(), []
    leave = door.tracer.subscribe(HvWrite, heard.append)
    door.store(0x2100, b"\1", ORIGIN)
    leave()

    door.store(0x2100, b"\2", ORIGIN)

    assert [write.new for write in heard] == [b"\1"]
    assert door.tracer.wanted == set()


@pytest.mark.parametrize(
    ("gpa", "length"), [(0x1000, 0x3000), (0x1FFD, 0x2006), (0x2003, 5), (0x2000, 0), (0, SIZE)]
)
def test_clearing_clears_these_bytes_and_no_others(gpa, length):
    memory = GuestMemory(SIZE)
    memory.write(0, b"\xa5" * SIZE)

    memory.clear(gpa, length)

    assert memory.read(0, SIZE) == b"\xa5" * gpa + bytes(length) + b"\xa5" * (SIZE - gpa - length)


def test_clearing_drops_the_code_that_was_there():
    memory = GuestMemory(SIZE)
    told = []
    memory.on_code_write(lambda gpa, length: told.append((gpa, length)))
    memory.code[0x3000 // CODE_LINE] = 1

    memory.clear(0x1000, 0x1000)
    memory.clear(0x2000, 0x4000)

    assert told == [(0x2000, 0x4000)]
