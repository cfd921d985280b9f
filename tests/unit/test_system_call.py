"""``sc`` as an instruction, against the interrupt that all others are taken with."""

from itertools import product

import pytest

from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.isa.interrupts import LPCR_AIL, LPCR_ILE, Interrupt, deliver
from papvmm.isa.msr import MSR_DR, MSR_EE, MSR_FP, MSR_IR, MSR_ME, MSR_PR, MSR_SF
from papvmm.isa.state import DEC_EXPIRY, LPCR, MSR, NOW, ArchState
from papvmm.mmu.translate import RealMode
from tests.programs import CODE, Program

pytestmark = pytest.mark.usefixtures("every_engine")

AIL_2 = 2 << 23


@pytest.mark.parametrize(
    ("translation", "ail", "order"),
    list(product((0, MSR_IR, MSR_DR, MSR_IR | MSR_DR), (0, AIL_2, LPCR_AIL), (0, LPCR_ILE))),
)
def test_a_system_call_is_taken_like_any_interrupt(translation, ail, order):
    program = Program("nop; sc 0", translated=RealMode())
    state = program.state
    state.write(MSR, MSR_SF | MSR_ME | MSR_PR | MSR_EE | MSR_FP | translation)
    state.write(LPCR, ail | order)
    expected = ArchState()
    expected.buffer[:] = state.buffer
    expected.write(NOW, 2)
    deliver(expected, Interrupt.SYSTEM_CALL, CODE + 8)

    program.run(2)

    assert bytes(state.buffer) == bytes(expected.buffer)


def test_a_kernel_that_returns_from_system_calls_does_so_as_often_as_asked():
    """The handler at 0xC00 counts, and returns to where interrupts are enabled again."""
    program = Program("sc 0; b -4", msr=MSR_EE)
    program.state.write(DEC_EXPIRY, 0x7FFF_FFFF)
    program.memory.write(0xC00, bytes.fromhex("38630001 4c000024"))

    assert program.run(4 * 500) == BudgetSpent()
    assert program.gpr(3) == 500
    assert program.cia == CODE


def test_a_handler_with_a_breakpoint_stops():
    program = Program("sc 0; b -4", msr=MSR_PR)
    program.processor.breakpoints.add(0xC00)

    assert program.run(100) == Breakpoint(0xC00)
    assert program.now == 1
