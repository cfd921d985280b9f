"""FPSCR: which bits operations and programs set, and the interrupts that follow from them."""

import pytest

from papvmm.engine.exits import Breakpoint, PaprHcall
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_FE0, MSR_FE1, MSR_FP, MSR_VSX
from papvmm.isa.softfloat.fpscr import (
    FEX,
    FI,
    FPRF,
    FR,
    FX,
    OX,
    UX,
    VE,
    VX,
    VXCVI,
    VXIDI,
    VXIMZ,
    VXISI,
    VXSNAN,
    VXSOFT,
    VXSQRT,
    VXVC,
    VXZDZ,
    XE,
    XX,
    ZE,
    ZX,
)
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import FPSCR, SRR0, SRR1
from tests.programs import CODE, Program

pytestmark = pytest.mark.usefixtures("every_engine")

ON = MSR_FP | MSR_VSX
ZERO, ONE, TWO, THREE, TENTH = (
    0, 0x3FF << 52, 0x400 << 52, 0x4008 << 48, 0x3FB9_9999_9999_999A,
)  # fmt: skip
MINUS = 1 << 63
INF, NAN, SNAN = 0x7FF << 52, 0x7FF8 << 48, (0x7FF << 52) + 1
GREATEST, LEAST = INF - 1, 1
OLD = 0x1234_5678_9ABC_DEF0
ENABLED = 1 << 20
"""SRR1 bit 43: a program interrupt for an enabled floating-point exception."""
AFTER = 1 << 16
"""SRR1 bit 47: SRR0 is not the instruction that caused it."""


def run(text, *operands, fpscr=0, msr=ON):
    """Run a program with doubles in f1, f2, f3."""
    registers = {f"vs{n}": double << 64 for n, double in enumerate(operands, 1)}
    program = Program(f"{text}; sc 1", msr=msr, vs4=OLD << 64, **registers)
    program.state.write(FPSCR, fpscr)
    assert program.run(100) == PaprHcall()
    return program


def result(program):
    return program.state.vsr(4) >> 64


def fpscr(program):
    return settle(program.state)


# Invalid operations.

INVALID = [
    ("fadd 4,1,2", (INF, INF | MINUS), VXISI),
    ("fsub 4,1,2", (INF, INF), VXISI),
    ("fmul 4,1,2", (INF, ZERO), VXIMZ),
    ("fdiv 4,1,2", (INF, INF | MINUS), VXIDI),
    ("fdiv 4,1,2", (ZERO, ZERO | MINUS), VXZDZ),
    ("fsqrt 4,1", (ONE | MINUS,), VXSQRT),
    ("fmadd 4,1,2,3", (INF, ZERO, ONE), VXIMZ),
    ("fmsub 4,1,2,3", (INF, ONE, INF), VXISI),
    ("xsadddp 4,1,2", (INF, INF | MINUS), VXISI),
    ("xsmaddasp 4,1,2", (INF, ZERO), VXIMZ),
]


@pytest.mark.parametrize(("text", "operands", "cause"), INVALID)
def test_an_invalid_operation_yields_a_quiet_nan_and_says_why(text, operands, cause):
    program = run(text, *operands)

    assert result(program) == NAN
    assert fpscr(program) == FX | VX | cause | 0x11 << 12


@pytest.mark.parametrize(("text", "operands", "cause"), INVALID)
def test_an_enabled_invalid_operation_has_no_result(text, operands, cause):
    before = VE | FR | FI | 0x5 << 12

    program = run(text, *operands, fpscr=before)

    assert result(program) == OLD
    assert fpscr(program) == FX | FEX | VX | cause | VE | 0x5 << 12


@pytest.mark.parametrize(
    ("text", "operands", "nan"),
    [
        ("fadd 4,1,2", (ONE, SNAN), SNAN | 1 << 51),
        ("fadd 4,1,2", (NAN | 5, SNAN), NAN | 5),
        ("fmadd 4,1,2,3", (ONE, NAN | 2, SNAN), SNAN | 1 << 51),
        ("fmadds 4,1,2,3", (NAN | 1 << 30, SNAN, ONE), NAN | 1 << 30),
        ("fadds 4,1,2", (SNAN | 1 << 29, ONE), NAN | 1 << 29),
        ("fnmadd 4,1,2,3", (SNAN, ONE, ONE), SNAN | 1 << 51),
        ("frsp 4,1", (SNAN | MINUS,), NAN | MINUS),
        ("frin 4,1", (SNAN,), SNAN | 1 << 51),
        ("xsrdpic 4,1", (SNAN,), SNAN | 1 << 51),
    ],
)
def test_a_signalling_nan_is_told_and_made_quiet(text, operands, nan):
    program = run(text, *operands)

    assert result(program) == nan
    assert fpscr(program) & (VX | VXSNAN | FPRF) == VX | VXSNAN | 0x11 << 12


def test_infinity_times_zero_is_told_though_the_addend_is_a_nan():
    program = run("fmadd 4,1,2,3", INF, ZERO, NAN)

    assert (result(program), fpscr(program) & VXIMZ) == (NAN, VXIMZ)


# The other exceptions.


@pytest.mark.parametrize(("a", "expected"), [(ONE, INF), (ONE | MINUS, INF | MINUS)])
def test_a_division_by_zero_is_infinite(a, expected):
    program = run("fdiv 4,1,2", a, ZERO)

    assert result(program) == expected
    assert fpscr(program) & ~FPRF == FX | ZX


def test_an_enabled_division_by_zero_has_no_result():
    program = run("fdiv 4,1,2", ONE, ZERO, fpscr=ZE)

    assert (result(program), fpscr(program)) == (OLD, FX | FEX | ZX | ZE)


def test_a_sticky_bit_that_was_set_does_not_set_fx_again():
    program = run("fadd 4,1,2", ONE, TENTH, fpscr=XX)

    assert fpscr(program) & (FX | XX | FI) == XX | FI


def test_an_inexact_operation_leaves_the_sticky_bits_of_others():
    program = run("fadd 4,1,2", ONE, TENTH, fpscr=UX | OX)

    assert fpscr(program) & (FX | OX | UX | XX | FI) == FX | OX | UX | XX | FI


def test_an_exact_operation_clears_fi_and_fr_and_no_sticky_bit():
    program = run("fadd 4,1,2", ONE, ONE, fpscr=FI | FR | XX)

    assert fpscr(program) == XX | 0x4 << 12


def test_a_tiny_result_is_told_before_rounding_makes_it_normal():
    program = run("fmul 4,1,2", 0x3FEF_FFFF_FFFF_FFFF, 1 << 52)

    assert result(program) == 1 << 52
    assert fpscr(program) & (UX | XX | FI) == UX | XX | FI


@pytest.mark.parametrize(
    ("bits", "fprf"),
    [
        (INF, 0x5), (INF | MINUS, 0x9), (ONE, 0x4), (ONE | MINUS, 0x8), (LEAST, 0x14),
        (LEAST | MINUS, 0x18), (ZERO, 0x2), (ZERO | MINUS, 0x12), (NAN, 0x11),
    ],
)  # fmt: skip
def test_fprf_is_the_class_of_the_result(bits, fprf):
    assert fpscr(run("frin 4,1" if bits & ~MINUS != LEAST else "fsub 4,1,2", bits, ZERO)) == (
        fprf << 12
    )


@pytest.mark.parametrize(("text", "fprf"), [("fmuls 4,1,2", 0x4), ("xsmulsp 4,1,2", 0x14)])
def test_only_vsx_classifies_a_single_by_its_own_format(text, fprf):
    assert fpscr(run(text, 0x381 << 52, 0x3FE << 52)) & FPRF == fprf << 12


@pytest.mark.parametrize(
    ("rounding", "expected"), [(0, INF), (1, GREATEST), (2, INF), (3, GREATEST)]
)
def test_an_overflow_goes_where_rounding_does(rounding, expected):
    program = run("fadd 4,1,1", GREATEST, fpscr=rounding)

    assert result(program) == expected
    assert fpscr(program) & (OX | XX | FI) == OX | XX | FI


# Comparisons.


@pytest.mark.parametrize(
    ("a", "b", "relation"),
    [
        (ONE, TWO, 8), (TWO, ONE, 4), (ZERO, MINUS, 2), (ONE | MINUS, ONE, 8),
        (LEAST | MINUS, ZERO, 8), (INF, GREATEST, 4), (NAN, ONE, 1),
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["fcmpu 2,1,2", "fcmpo 2,1,2", "xscmpudp 2,1,2", "xscmpodp 2,1,2"])
def test_a_comparison_sets_a_cr_field_and_fpcc(text, a, b, relation):
    program = run(text, a, b, fpscr=FI | 0x1F << 12)

    assert program.state.cr == relation << 20
    assert fpscr(program) & (FI | FPRF) == FI | 0x10 << 12 | relation << 12


@pytest.mark.parametrize(
    ("text", "b", "before", "raised"),
    [
        ("fcmpu 2,1,2", NAN, 0, 0),
        ("fcmpu 2,1,2", SNAN, 0, VXSNAN),
        ("fcmpo 2,1,2", NAN, 0, VXVC),
        ("fcmpo 2,1,2", SNAN, 0, VXSNAN | VXVC),
        ("fcmpo 2,1,2", SNAN, VE, VXSNAN),
        ("fcmpo 2,1,2", NAN, VE, VXVC),
        ("xscmpeqdp 4,1,2", NAN, 0, 0),
        ("xscmpgedp 4,1,2", NAN, 0, VXVC),
        ("xscmpgtdp 4,1,2", SNAN, 0, VXSNAN | VXVC),
    ],
)
def test_what_comparisons_say_of_nans(text, b, before, raised):
    program = run(text, ONE, b, fpscr=before)

    assert fpscr(program) & (VXSNAN | VXVC) == raised


@pytest.mark.parametrize(
    ("name", "a", "b", "expected"),
    [
        ("xsmaxdp", ONE, TWO, TWO), ("xsmindp", ONE, TWO, ONE), ("xsmaxdp", NAN, ONE, ONE),
        ("xsmaxdp", MINUS, ZERO, ZERO), ("xsmindp", ZERO, MINUS, MINUS),
        ("xsmaxdp", ONE, SNAN, SNAN | 1 << 51), ("xsmaxcdp", NAN, ONE, ONE),
        ("xsmaxcdp", ONE, NAN, NAN), ("xsmaxcdp", ZERO, MINUS, MINUS), ("xsmincdp", TWO, ONE, ONE),
        ("xsmaxjdp", ONE, NAN, NAN), ("xsmaxjdp", MINUS, ZERO, ZERO),
        ("xsminjdp", ZERO, MINUS, MINUS), ("xsminjdp", SNAN, ONE, SNAN),
    ],
)  # fmt: skip
def test_the_three_kinds_of_extremes(name, a, b, expected):
    program = run(f"{name} 4,1,2", a, b, fpscr=FI | FPRF)

    assert result(program) == expected
    assert fpscr(program) & (FI | FPRF) == FI | FPRF


# Moves.


def test_what_programs_write_of_fpscr_is_all_but_the_reserved_bit_and_the_summaries():
    program = run("mtfsf 0,1,1; mffs 4", (1 << 64) - 1)

    assert result(program) == 0x7_FFFF_F7FF


def test_summaries_can_not_be_written():
    assert fpscr(run("mtfsf 255,1", FEX | VX)) == 0
    assert fpscr(run("mtfsb1 1; mtfsb1 2")) == 0
    assert fpscr(run("mtfsb0 2", fpscr=VX | VXIDI)) == VX | VXIDI


def test_a_field_mask_chooses_fields_of_one_word():
    assert fpscr(run("mtfsf 3,1", 0x55)) == 0x55
    assert fpscr(run("mtfsf 1,1,0,1", 0x7_0000_0055)) == 7 << 32
    assert fpscr(run("mtfsfi 7,3; mtfsfi 7,5,1")) == 5 << 32 | 3


def test_a_bit_that_is_an_exception_sets_fx_and_its_summaries():
    assert fpscr(run("mtfsb1 7")) == FX | VX | VXSNAN
    assert fpscr(run("mtfsb1 21")) == FX | VX | VXSOFT
    assert fpscr(run("mtfsb1 6", fpscr=XE)) == FX | FEX | XX | XE
    assert fpscr(run("mtfsb1 6", fpscr=XX)) == XX


def test_moves_of_fields_do_not_set_fx_by_themselves():
    assert fpscr(run("mtfsfi 1,2")) == XX


def test_mcrfs_clears_the_exceptions_that_it_copies():
    program = run("mcrfs 3,0; mcrfs 4,5", fpscr=FX | VX | OX | VXCVI | VE)

    assert program.state.cr == 0xB << 16 | 0x1 << 12
    assert fpscr(program) == VE


def test_other_fields_are_copied_and_kept():
    program = run("mcrfs 3,4; mcrfs 4,7", fpscr=0x5 << 12 | 3)

    assert program.state.cr == 0x5 << 16 | 0x3 << 12
    assert fpscr(program) == 0x5 << 12 | 3


@pytest.mark.parametrize(
    ("text", "shown", "after"),
    [
        ("mffs 4", 0x3_A2FF_F0F9, 0x3_A2FF_F0F9),
        ("mffsl 4", 0x3_0007_F0F9, 0x3_A2FF_F0F9),
        ("mffsce 4", 0x3_A2FF_F0F9, 0x3_A2FF_F001),
        ("mffscrn 4,1", 0x3_0000_00F9, 0x3_A2FF_F0FA),
        ("mffscrni 4,3", 0x3_0000_00F9, 0x3_A2FF_F0FB),
        ("mffscdrn 4,2", 0x3_0000_00F9, 0x5_A2FF_F0F9),
        ("mffscdrni 4,6", 0x3_0000_00F9, 0x6_A2FF_F0F9),
    ],
)
def test_moves_from_fpscr_that_change_some_of_it(text, shown, after):
    program = run(text, 2, 5 << 32, fpscr=0x3_A2FF_F0F9)

    assert result(program) == shown
    assert fpscr(program) & ~FEX == after


def test_a_record_form_copies_fx_fex_vx_ox_to_cr1():
    assert run("fadd. 4,1,2", INF, INF | MINUS, fpscr=OX).state.cr == 0b1011 << 24
    assert run("fmr. 4,1", ONE, fpscr=FX | VX | VXISI).state.cr == 0b1010 << 24
    assert run("mffs. 4", fpscr=OX).state.cr == 0b0001 << 24
    assert run("mtfsb1. 3").state.cr == 0b1001 << 24


# Interrupts.


def interrupted(text, *operands, fpscr, msr):
    registers = {f"vs{n}": double << 64 for n, double in enumerate(operands, 1)}
    program = Program(f"nop; {text}", msr=msr | ON, vs4=OLD << 64, **registers)
    program.state.write(FPSCR, fpscr)
    program.processor.breakpoints.update(Interrupt)
    assert program.run(100) == Breakpoint(Interrupt.PROGRAM)
    return program


@pytest.mark.parametrize("msr", [MSR_FE0, MSR_FE1, MSR_FE0 | MSR_FE1])
def test_an_enabled_exception_is_a_precise_interrupt(msr):
    program = interrupted("fdiv 4,1,2", ONE, ZERO, fpscr=ZE, msr=msr)

    assert (program.state.read(SRR0), program.now) == (CODE + 4, 1)
    assert program.state.read(SRR1) & (0x783F << 16) == ENABLED
    assert (result(program), fpscr(program)) == (OLD, FX | FEX | ZX | ZE)


def test_an_enabled_inexact_operation_has_its_result_when_it_interrupts():
    program = interrupted("fadd. 4,1,2", ONE, TENTH, fpscr=XE, msr=MSR_FE0)

    assert result(program) == 0x3FF1_9999_9999_999A
    assert program.state.cr == 0b1100 << 24


@pytest.mark.parametrize("text", ["mtfsb1 6", "mtfsfi 1,2", "fcmpo 1,1,1", "xscmpodp 1,1,1"])
def test_any_instruction_that_makes_fex_one_interrupts(text):
    program = interrupted(text, NAN, fpscr=XE | VE, msr=MSR_FE1)

    assert program.state.read(SRR0) == CODE + 4


@pytest.mark.parametrize("fpscr_before", [0, VE | ZE])
def test_without_fe_there_is_no_interrupt(fpscr_before):
    assert fpscr(run("fdiv 4,1,2", ONE, ZERO, fpscr=fpscr_before)) & ZX


def test_an_exception_waits_until_msr_asks_for_it():
    program = Program(
        "fdiv 4,1,2; mfmsr 3; ori 3,3,0x800; mtmsrd 3; nop", msr=ON, vs1=ONE << 64, vs2=0
    )
    program.state.write(FPSCR, ZE)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(100) == Breakpoint(Interrupt.PROGRAM)
    assert program.state.read(SRR0) == CODE + 16
    assert program.state.read(SRR1) & (0x783F << 16) == ENABLED | AFTER
