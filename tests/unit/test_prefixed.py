"""Prefixed instructions, which POWER10 has: Power ISA v3.1, Book I, 1.6.3; Book III, 7.5."""

import pytest

from papvmm.engine.exits import Breakpoint, NotBuilt
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_FP, MSR_PR, MSR_SE, MSR_VEC, MSR_VSX
from papvmm.isa.state import CIA, DAR, FSCR, MSR, SIAR, SRR0, SRR1, VSR
from papvmm.isa.versions import Isa
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")

EIGHT, REGISTER, MODIFIED, NOP = range(4)
PREFIXED, BOUNDARY, ILLEGAL = 0x2000_0000, 0x1000_0000, 0x8_0000
CAUSES = 0x783F_0000
ALL_UNITS = MSR_FP | MSR_VEC | MSR_VSX
M64 = (1 << 64) - 1


def words(kind, suffix, displacement=0, *, relative=False, subtype=0):
    """The words of a prefixed instruction with a displacement of 34 bits."""
    high, low = displacement >> 16 & 0x3FFFF, displacement & 0xFFFF
    prefix = 1 << 26 | kind << 24 | subtype << 20 | relative << 20 | high
    return f".long {prefix:#x}; .long {suffix | low:#x}"


def d_form(opcode, rt, ra=0):
    return opcode << 26 | rt << 21 | ra << 16


def run(text, count=1, *, isa=Isa.V3_1, msr=ALL_UNITS, **registers):
    program = Program(f"{text}; b .", isa=isa, msr=msr, **registers)
    program.processor.breakpoints.update(Interrupt)
    return program.run(count), program


def test_an_addition_has_34_bits():
    _, program = run(words(MODIFIED, d_form(14, 3, 4), -0x1_2345_6789), r4=5)

    assert program.gpr(3) == 5 - 0x1_2345_6789 & M64
    assert (program.cia, program.now) == (CODE + 8, 1)


def test_an_address_may_be_relative_to_the_instructions():
    _, program = run("nop; nop;" + words(MODIFIED, d_form(14, 3), 0x10000, relative=True), 3)

    assert program.gpr(3) == CODE + 8 + 0x10000


@pytest.mark.parametrize(
    ("kind", "opcode", "expected"),
    [
        (MODIFIED, 34, 0x81),
        (MODIFIED, 40, 0x8182),
        (MODIFIED, 42, 0xFFFF_FFFF_FFFF_8182),
        (MODIFIED, 32, 0x8182_8384),
        (EIGHT, 41, 0xFFFF_FFFF_8182_8384),
        (EIGHT, 57, 0x8182_8384_8586_8788),
    ],
)
def test_loads_are_those_without_a_prefix(kind, opcode, expected):
    program = Program(
        f"{words(kind, d_form(opcode, 3, 4), DATA - 0x10000)}; b .", isa=Isa.V3_1, r4=0x10000
    )
    program.memory.store_be(DATA, 8, 0x8182_8384_8586_8788)

    program.run(1)

    assert program.gpr(3) == expected


@pytest.mark.parametrize(
    ("kind", "opcode", "size"), [(MODIFIED, 38, 1), (MODIFIED, 44, 2), (MODIFIED, 36, 4),
                                 (EIGHT, 61, 8)],
)  # fmt: skip
def test_stores_are_those_without_a_prefix(kind, opcode, size):
    _, program = run(words(kind, d_form(opcode, 3), DATA), r3=0x1112_1314_1516_1718)

    stored = program.memory.load_be(DATA, 8)
    assert stored == (0x1112_1314_1516_1718 << 8 * (8 - size) & M64)


def test_vectors_are_loaded_and_stored_from_any_register():
    load, store = (25 << 27 | 1 << 26 | 2 << 21), (27 << 27 | 1 << 26 | 2 << 21)
    text = f"{words(EIGHT, load, DATA)}; {words(EIGHT, store, DATA + 32)}; b ."
    program = Program(text, isa=Isa.V3_1, msr=ALL_UNITS)
    program.memory.store_be(DATA, 8, 0x1122_3344_5566_7788)

    program.run(2)

    assert program.state.read(VSR, 2 * 34 + 1) == 0x1122_3344_5566_7788
    assert program.memory.load_be(DATA + 32, 8) == 0x1122_3344_5566_7788


def test_a_prefixed_nop_does_nothing_whatever_its_suffix():
    before, program = run(words(NOP, 0x0000_0000))

    assert not isinstance(before, Breakpoint)
    assert program.cia == CODE + 8


@pytest.mark.parametrize("isa", [Isa.V2_07, Isa.V3_0])
def test_older_processors_know_no_prefix(isa):
    reason, program = run(words(MODIFIED, d_form(14, 3)), isa=isa)

    assert reason == Breakpoint(Interrupt.PROGRAM)
    assert program.state.read(SRR1) & CAUSES == ILLEGAL


@pytest.mark.parametrize(
    "text",
    [
        ".long 0x04000123; .long 0x00badc0d",
        words(MODIFIED, d_form(14, 3, 4), relative=True),
        words(EIGHT, d_form(56, 3)),
        words(EIGHT, d_form(57, 3), subtype=8),
    ],
)
def test_an_undefined_one_is_illegal_and_says_that_it_is_prefixed(text):
    reason, program = run(text)

    assert reason == Breakpoint(Interrupt.PROGRAM)
    assert program.state.read(SRR0) == CODE
    assert program.state.read(SRR1) & CAUSES == ILLEGAL | PREFIXED


def test_none_may_cross_64_bytes():
    at = CODE + 64 - 4
    program = Program(words(MODIFIED, d_form(14, 3)), at=at, isa=Isa.V3_1)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(1) == Breakpoint(Interrupt.ALIGNMENT)
    assert program.state.read(SRR0) == at
    assert program.state.read(SRR1) & CAUSES == PREFIXED | BOUNDARY


def test_its_storage_interrupt_says_so_and_the_next_one_does_not():
    outside = 1 << 33
    text = f"{words(MODIFIED, d_form(32, 3), outside - 4)}; trap"
    program = Program(text, isa=Isa.V3_1)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(1) == Breakpoint(Interrupt.MACHINE_CHECK)
    assert program.state.read(DAR) == outside - 4
    assert program.state.read(SRR1) & PREFIXED
    program.state.write(CIA, CODE + 8)
    assert program.run(1) == Breakpoint(Interrupt.PROGRAM)
    assert not program.state.read(SRR1) & PREFIXED


def test_its_facility_may_be_unavailable():
    reason, program = run(words(MODIFIED, d_form(50, 3), DATA), msr=0)

    assert reason == Breakpoint(Interrupt.FP_UNAVAILABLE)
    assert program.state.read(SRR1) & CAUSES == PREFIXED


def test_fscr_lets_problem_state_use_them():
    text = words(MODIFIED, d_form(14, 3), 7)

    refused, program = run(text, msr=MSR_PR)

    assert refused == Breakpoint(Interrupt.FACILITY_UNAVAILABLE)
    assert program.state.read(FSCR) >> 56 == 13
    assert program.state.read(SRR1) & CAUSES == PREFIXED
    program.state.write(FSCR, 1 << 13)
    program.state.write(CIA, CODE)
    program.state.write(MSR, program.state.read(MSR) | MSR_PR)
    program.run(1)
    assert program.gpr(3) == 7


def test_it_is_traced_as_one_instruction():
    reason, program = run(words(MODIFIED, d_form(14, 3), 7), 2, msr=MSR_SE)

    assert reason == Breakpoint(Interrupt.TRACE)
    assert program.state.read(SRR0) == CODE + 8
    assert program.state.read(SIAR) == CODE
    assert program.state.read(SRR1) & CAUSES == 0x4000_0000 | PREFIXED


def test_what_is_not_built_is_named():
    splat = words(REGISTER, 32 << 26 | 3 << 17)

    off, program = run(splat, msr=0)
    reason, _ = run(splat)

    assert off == Breakpoint(Interrupt.VSX_UNAVAILABLE)
    assert program.state.read(SRR1) & PREFIXED
    assert isinstance(reason, NotBuilt)
    assert reason.what == "prefixed instruction"
