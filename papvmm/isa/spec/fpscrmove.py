"""Moves from and to FPSCR (Power ISA v3.0B, Book I, 4.6.10); those that write it are helpers."""

from collections.abc import Callable
from typing import Final

from papvmm.bits import ones
from papvmm.isa.exit import Exit
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, x_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import BF, BFA, BTF, DRM, FLM, FRB, FRT, L6, RM, U, W
from papvmm.isa.softfloat.fpscr import (
    DRN,
    ENABLES,
    EXCEPTIONS,
    FI,
    FPRF,
    FR,
    FX,
    RN,
    WRITABLE,
    Outcome,
    raise_exceptions,
    replace_bits,
)
from papvmm.isa.spec.fparith import Fields, doubles, finish, set_cr_field, set_fpscr
from papvmm.isa.state import FP_CC, FP_KIND, FPSCR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.versions import Isa

section: Final = Section(Unit.FP)

MFFS: Final = x_form(63, 583)
CONTROL: Final = DRN | 0xFF
"""DRN, the enables, NI and RN."""
LIGHT: Final = CONTROL | FR | FI | FPRF


def _show(syntax: str, form: Form, title: str, shown: int, versions: int | None = None) -> None:
    """Add a move from FPSCR; a helper, if there is a record, as that is settled first."""

    def helper(state: ArchState, _storage: Storage, fields: Fields) -> None:
        finish(state, fields, FRT, Outcome(state.read(FPSCR) & shown, state.read(FPSCR)))

    def describe(cpu: Trace) -> None:
        cpu.exit_if((cpu[FP_KIND] | cpu[FP_CC]).ne(0), Exit.HELPER)
        cpu[FRT] = cpu[FPSCR] & shown

    describe.__doc__ = title
    section.define(syntax, form, helper=helper, versions=versions)(describe)


_show("mffs[.] FRT", MFFS.with_bits(11, 15, 0), "Move From FPSCR.", ones(64))
_show("mffsl FRT", MFFS.with_bits(11, 15, 24), "Move From FPSCR Lightweight.", LIGHT)
_show("mffs[.] FRT", MFFS, "Move From FPSCR, with bits 11:15 ignored.", ones(64), Isa.V2_07)

Change = Callable[[ArchState, Fields], tuple[int, int]]
"""Yields the new value of FPSCR's bits, and which of them change."""


def _exchange(syntax: str, number: int, title: str, shown: int, change: Change) -> None:
    """Add a move from FPSCR that changes some of it, too."""

    def helper(state: ArchState, _storage: Storage, fields: Fields) -> None:
        fpscr = state.read(FPSCR)
        after = replace_bits(fpscr, *change(state, fields))
        state.set_vsr(fields[FRT], (fpscr & shown) << 64)
        state.write(FPSCR, after)

    helper.__doc__ = title
    section.define_helper(syntax, MFFS.with_bits(11, 15, number))(helper)


def _rounding(state: ArchState, fields: Fields) -> tuple[int, int]:
    return doubles(state, fields, FRB)[0], RN


def _decimal_rounding(state: ArchState, fields: Fields) -> tuple[int, int]:
    return doubles(state, fields, FRB)[0], DRN


_exchange("mffsce FRT", 1, "Move From FPSCR and Clear Enables.", ones(64), lambda *_: (0, ENABLES))
_exchange("mffscrn FRT,FRB", 22, "Move From FPSCR Control and set RN.", CONTROL, _rounding)
_exchange(
    "mffscrni FRT,RM",
    23,
    "Move From FPSCR Control and set RN Immediate.",
    CONTROL,
    lambda _, fields: (fields[RM], RN),
)
_exchange(
    "mffscdrn FRT,FRB", 20, "Move From FPSCR Control and set DRN.", CONTROL, _decimal_rounding
)
_exchange(
    "mffscdrni FRT,DRM",
    21,
    "Move From FPSCR Control and set DRN Immediate.",
    CONTROL,
    lambda _, fields: (fields[DRM] << 32, DRN),
)


@section.define_helper("mcrfs BF,BFA", x_form(63, 64))
def mcrfs(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Move to Condition Register from FPSCR: the exceptions that were copied are cleared."""
    fpscr, shift = state.read(FPSCR), 28 - 4 * fields[BFA]
    set_cr_field(state, fields[BF], fpscr >> shift)
    state.write(FPSCR, replace_bits(fpscr, 0, 0xF << shift & (FX | EXCEPTIONS)))


@section.define_helper("mtfsfi[.] BF,U,W", x_form(63, 134))
def mtfsfi(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Move To FPSCR Field Immediate."""
    shift = 28 - 4 * fields[BF] + 32 * fields[W]
    fpscr = replace_bits(state.read(FPSCR), fields[U] << shift, 0xF << shift)
    set_fpscr(state, fields, fpscr)


@section.define_helper("mtfsf[.] FLM,FRB,L6,W", x_form(63, 711))
def mtfsf(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Move To FPSCR Fields: of one word, or with L=1 all there are."""
    mask = WRITABLE
    if not fields[L6]:
        digits = f"{fields[FLM]:08b}".replace("1", "f")
        mask = int(digits, 16) << 32 * fields[W]
    (value,) = doubles(state, fields, FRB)
    set_fpscr(state, fields, replace_bits(state.read(FPSCR), value, mask))


@section.define_helper("mtfsb0[.] BTF", x_form(63, 70))
def mtfsb0(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Move To FPSCR Bit 0."""
    set_fpscr(state, fields, replace_bits(state.read(FPSCR), 0, 1 << 31 - fields[BTF]))


@section.define_helper("mtfsb1[.] BTF", x_form(63, 38))
def mtfsb1(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Move To FPSCR Bit 1: an exception is raised as if an operation had met it."""
    fpscr, bit = state.read(FPSCR), 1 << 31 - fields[BTF]
    if bit & EXCEPTIONS:
        fpscr = raise_exceptions(fpscr, bit)
    set_fpscr(state, fields, replace_bits(fpscr, bit, bit))
