"""Reservations and atomic memory operations (Power ISA v3.0B, Book II, 4.5 and 4.6.2)."""

import pytest

from papvmm.engine.exits import Breakpoint, NotBuilt, PaprHcall
from papvmm.isa.state import DAR
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")

EQUAL = 0x2000_0000
"""CR0[EQ]: the store was performed."""


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize(("letter", "size"), [("b", 1), ("h", 2), ("w", 4), ("d", 8)])
def test_a_reservation_lets_one_store_of_its_size_through(letter, size, little_endian):
    text = f"l{letter}arx 5,0,3; st{letter}cx. 6,0,3; mfcr 7; st{letter}cx. 8,0,3; mfcr 9; sc 1"
    program = Program(text, little_endian=little_endian, r3=DATA, r6=-2 % 2**64, r8=1)
    program.memory.write(DATA, bytes(range(16)))

    assert program.run(100) == PaprHcall()
    order = "little" if little_endian else "big"
    assert program.gpr(5) == int.from_bytes(bytes(range(size)), order)
    assert [program.gpr(n) & EQUAL for n in (7, 9)] == [EQUAL, 0]
    stored = (-2 % 2 ** (8 * size)).to_bytes(size, order)
    assert program.memory.read(DATA, 16) == stored + bytes(range(size, 16))


@pytest.mark.parametrize("text", ["ldarx 5,0,3; stwcx. 6,0,3", "lwarx 5,0,3; stwcx. 6,4,3"])
def test_another_size_or_address_is_another_reservation(text):
    program = Program(f"{text}; mfcr 7; sc 1", r3=DATA, r4=8, r6=1)

    program.run(100)

    assert program.gpr(7) & EQUAL == 0
    assert program.memory.read(DATA, 16) == bytes(16)


@pytest.mark.parametrize("little_endian", [False, True])
def test_a_quadword_has_its_high_half_in_the_even_register(little_endian):
    text = "lqarx 4,0,3; mr 8,5; mr 9,4; stqcx. 8,0,3; mfcr 7; sc 1"
    program = Program(text, little_endian=little_endian, r3=DATA)
    order = "little" if little_endian else "big"
    number = 0x0011223344556677_8899AABBCCDDEEFF
    program.memory.write(DATA, number.to_bytes(16, order))

    program.run(100)

    assert (program.gpr(4), program.gpr(5)) == (number >> 64, number & (1 << 64) - 1)
    swapped = (number & (1 << 64) - 1) << 64 | number >> 64
    assert program.memory.read(DATA, 16) == swapped.to_bytes(16, order)
    assert program.gpr(7) & EQUAL == EQUAL


@pytest.mark.parametrize(
    "text",
    ["lharx 5,0,3", "lwarx 5,0,3", "ldarx 5,0,3", "lqarx 4,0,3", "lq 4,0(3)", "stq 4,0(3)",
     "sthcx. 5,0,3", "stwcx. 5,0,3", "stdcx. 5,0,3", "stqcx. 4,0,3", "lwat 5,3,0"],
)  # fmt: skip
def test_an_unaligned_operand_is_an_alignment_interrupt(text):
    program = Program(text, r3=DATA + 1, r4=4, r5=5)
    program.processor.breakpoints.add(0x600)

    assert program.run(100) == Breakpoint(0x600)
    assert program.state.read(DAR) == DATA + 1
    assert (program.gpr(4), program.gpr(5)) == (4, 5)
    assert program.memory.read(DATA, 32) == bytes(32)


LOADS = [
    (0, 10, 3, 0, 13), (1, 10, 3, 0, 9), (2, 10, 3, 0, 11), (3, 10, 3, 0, 2),
    (4, 10, -1, 0, -1), (5, 10, -1, 0, 10), (6, 10, -1, 0, 10), (7, 10, -1, 0, -1),
    (8, 10, 3, 0, 3), (16, 10, 3, 7, 7), (16, 3, 3, 7, 3),
]  # fmt: skip
"""Function code, memory, RT+1, RT+2, memory afterwards."""


@pytest.mark.parametrize(("function", "old", "first", "second", "new"), LOADS)
@pytest.mark.parametrize(("name", "size"), [("lwat", 4), ("ldat", 8)])
def test_an_atomic_load_returns_what_it_replaced(name, size, function, old, first, second, new):
    mask = 2 ** (8 * size)
    program = Program(
        f"{name} 4,3,{function}; sc 1", r3=DATA, r4=0, r5=first % 2**64, r6=second % 2**64
    )
    program.memory.store_be(DATA, size, old)

    program.run(100)

    assert program.gpr(4) == old
    assert program.memory.load_be(DATA, size) == new % mask


@pytest.mark.parametrize(("target", "new"), [(30, 5), (31, 8)])
def test_after_r31_comes_r0(target, new):
    """Compare and swap not equal: r31 and r0, or r0 and r1, are compared with and stored."""
    program = Program(f"ldat {target},3,16; sc 1", r3=DATA, r31=6, r0=5, r1=8)
    program.memory.store_be(DATA, 8, 7)

    program.run(100)

    assert program.gpr(target) == 7
    assert program.memory.load_be(DATA, 8) == new


@pytest.mark.parametrize(
    ("function", "low", "middle", "high", "new", "returned"),
    [
        (24, 0, 5, 9, 6, 5),  # increment bounded
        (24, 0, 9, 9, 9, 1 << 63),
        (25, 0, 9, 9, 10, 9),  # increment equal
        (25, 0, 5, 9, 5, 1 << 63),
        (28, 0, 5, 9, 4, 5),  # decrement bounded
        (28, 5, 5, 9, 5, 1 << 63),
    ],
)
def test_bounded_counting_looks_beside_its_operand(function, low, middle, high, new, returned):
    program = Program(f"ldat 4,3,{function}; sc 1", r3=DATA + 8)
    for number, value in enumerate((low, middle, high)):
        program.memory.store_be(DATA + 8 * number, 8, value)

    program.run(100)

    assert program.memory.load_be(DATA + 8, 8) == new
    assert program.gpr(4) == returned


@pytest.mark.parametrize(
    ("function", "old", "source", "new"),
    [(0, 10, 3, 13), (1, 10, 3, 9), (2, 10, 3, 11), (3, 10, 3, 2), (4, 3, 10, 10), (6, 10, 3, 3)],
)
def test_an_atomic_store_combines(function, old, source, new):
    program = Program(f"stwat 4,3,{function}; sc 1", r3=DATA, r4=source)
    program.memory.store_be(DATA, 4, old)

    program.run(100)

    assert program.memory.load_be(DATA, 8) == new << 32


@pytest.mark.parametrize(("second", "stored"), [(7, 1), (8, 0)])
def test_store_twin_needs_two_equal_operands(second, stored):
    program = Program("stdat 4,3,24; sc 1", r3=DATA, r4=99)
    program.memory.store_be(DATA, 8, 7)
    program.memory.store_be(DATA + 8, 8, second)

    program.run(100)

    seen = [program.memory.load_be(DATA + offset, 8) for offset in (0, 8)]
    assert seen == ([99, 99] if stored else [7, second])


@pytest.mark.parametrize("text", ["lwat 4,3,9", "stdat 4,3,8", "ldat 4,5,24"])
def test_an_atomic_operation_that_is_no_form_stops_the_run(text):
    program = Program(text, r3=DATA, r5=DATA + 24)

    reason = program.run(100)

    assert isinstance(reason, NotBuilt)
    assert (reason.cia, program.memory.read(DATA, 64)) == (CODE, bytes(64))
