"""Floating-point moves and selection (Power ISA v3.0B, Book I, 4.6.5 and 4.6.9)."""

from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import a_form, x_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import FRA, FRB, FRC, FRT
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.FP)

SIGN: Final = 1 << 63
INFINITY: Final = 0x7FF << 52


@section.define("fmr[.] FRT,FRB", x_form(63, 72))
def fmr(cpu: Trace) -> None:
    """Floating Move Register."""
    cpu[FRT] = cpu[FRB]


@section.define("fneg[.] FRT,FRB", x_form(63, 40))
def fneg(cpu: Trace) -> None:
    """Floating Negate."""
    cpu[FRT] = cpu[FRB] ^ SIGN


@section.define("fabs[.] FRT,FRB", x_form(63, 264))
def fabs(cpu: Trace) -> None:
    """Floating Absolute Value."""
    cpu[FRT] = cpu[FRB] & ~SIGN


@section.define("fnabs[.] FRT,FRB", x_form(63, 136))
def fnabs(cpu: Trace) -> None:
    """Floating Negative Absolute Value."""
    cpu[FRT] = cpu[FRB] | SIGN


def copy_sign(sign: Value, magnitude: Value) -> Value:
    """Return a double with the sign of one and the magnitude of another."""
    return (sign & SIGN) | (magnitude & ~SIGN)


@section.define("fcpsgn[.] FRT,FRA,FRB", x_form(63, 8))
def fcpsgn(cpu: Trace) -> None:
    """Floating Copy Sign."""
    cpu[FRT] = copy_sign(cpu[FRA], cpu[FRB])


@section.define("fsel[.] FRT,FRA,FRC,FRB", a_form(63, 23))
def fsel(cpu: Trace) -> None:
    """Floating Select: FRC if FRA is no NaN, and zero of either sign or above."""
    is_positive = cpu[FRA].ult(INFINITY + 1)
    cpu[FRT] = (is_positive | cpu[FRA].eq(SIGN)).select(cpu[FRC], cpu[FRB])


@section.define("fmrgew FRT,FRA,FRB", x_form(63, 966))
def fmrgew(cpu: Trace) -> None:
    """Floating Merge Even Word."""
    cpu[FRT] = (cpu[FRA] & ones(32) << 32) | (cpu[FRB] >> 32)


@section.define("fmrgow FRT,FRA,FRB", x_form(63, 838))
def fmrgow(cpu: Trace) -> None:
    """Floating Merge Odd Word."""
    cpu[FRT] = (cpu[FRA] << 32) | (cpu[FRB] & ones(32))
