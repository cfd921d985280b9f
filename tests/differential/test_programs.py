"""Whole programs on each engine, in both byte orders."""

import pytest

from papvmm.engine.exits import Breakpoint, PaprHcall
from papvmm.engine.inputs import end_slice
from papvmm.isa.state import CTR, LR
from tests.programs import CODE, DATA, SIEVE, Program

pytestmark = pytest.mark.usefixtures("every_engine")


@pytest.mark.parametrize("little_endian", [False, True])
def test_a_sieve_counts_the_primes_below_1000(little_endian):
    program = Program(SIEVE, little_endian=little_endian, ram=0x11000, r3=1000)

    assert program.run(100_000) == PaprHcall()
    assert program.gpr(5) == 168


def test_a_fault_leaves_the_state_before_the_faulting_instruction():
    program = Program("addi 4,4,1; ldu 5,8(3); addi 4,4,1; sc 1", r3=1 << 40, r5=7)
    program.processor.breakpoints.add(0x200)

    assert program.run(100) == Breakpoint(0x200)
    assert [program.gpr(n) for n in (3, 4, 5)] == [1 << 40, 1, 7]


def test_a_reservation_is_lost_when_the_value_changed():
    text = "ldarx 5,0,3; stdx 6,0,3; stdcx. 7,0,3; mfcr 8; ldarx 5,0,3; stdcx. 7,0,3; mfcr 9; sc 1"
    program = Program(text, r3=DATA, r6=1, r7=2)

    assert program.run(100) == PaprHcall()
    assert [program.gpr(n) >> 29 & 1 for n in (8, 9)] == [0, 1]
    assert program.memory.load_be(DATA, 8) == 2


def test_a_reservation_ends_with_the_slice():
    program = Program("ldarx 5,0,3; stdcx. 7,0,3; mfcr 9; sc 1", r3=DATA, r7=2)
    program.run(1)

    end_slice(program.state)

    assert program.run(100) == PaprHcall()
    assert (program.gpr(9) >> 29 & 1, program.memory.load_be(DATA, 8)) == (0, 0)


def test_linking_and_counting_branches():
    program = Program("li 3,5; mtctr 3; bl 8; sc 1; addi 4,4,1; bdnz -4; blr")

    assert program.run(100) == PaprHcall()
    assert program.gpr(4) == 5
    assert (program.state.read(CTR), program.state.read(LR)) == (0, CODE + 12)
