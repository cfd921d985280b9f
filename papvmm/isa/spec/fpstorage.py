"""Floating-point loads and stores (Power ISA v3.0B, Book I, 4.6.2 and 4.6.3)."""

from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, d_form, x_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import FRS, FRT, RA
from papvmm.isa.spec.fixedload import effective_address
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.FP)

BIAS: Final = 1023 - 127
"""What exponents of the two formats differ by."""
LEAST_DENORMAL: Final = 874
"""The exponent field, in double format, of the least number in single format."""


def to_double(word: Value) -> Value:
    """DOUBLE(word): single format to double format; no NaN becomes quiet."""
    sign = (word >> 31).zext(64) << 63
    magnitude = (word & ones(31)).zext(64)
    exponent = magnitude >> 23
    rebias = exponent.eq(255).select(2 * BIAS << 52, magnitude.coerce(BIAS << 52))
    leading = magnitude.clz()
    denormal = (magnitude << (leading - 11)) + ((magnitude.coerce(BIAS + 40) - leading) << 52)
    small = magnitude.eq(0).select(0, denormal)
    return sign | exponent.eq(0).select(small, (magnitude << 29) + rebias)


def to_single(double: Value) -> Value:
    """SINGLE(double): double format to single format; 0 if the number is too small for that."""
    exponent = (double >> 52) & ones(11)
    normal = (double >> 62 << 30) | ((double >> 29) & ones(30))
    fraction = (double & ones(52)) | 1 << 52
    denormal = fraction >> ((exponent.coerce(BIAS + 30) - exponent) & 63)
    small = exponent.ult(LEAST_DENORMAL).select(0, denormal) | (double >> 63 << 31)
    return exponent.ult(BIAS + 1).select(small, normal).trunc(32)


def _load(syntax: str, form: Form, width: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        ea = effective_address(cpu)
        value = cpu.load(ea, width)
        cpu[FRT] = value if width == 64 else to_double(value)
        if RA in cpu.operands:
            cpu[RA] = ea

    describe.__doc__ = title
    section.define(syntax, form)(describe)


_load("lfs FRT,D(RA0)", d_form(48), 32, "Load Floating-Point Single.")
_load("lfsu FRT,D(RA)", d_form(49), 32, "Load Floating-Point Single with Update.")
_load("lfd FRT,D(RA0)", d_form(50), 64, "Load Floating-Point Double.")
_load("lfdu FRT,D(RA)", d_form(51), 64, "Load Floating-Point Double with Update.")
_load("lfsx FRT,RA0,RB", x_form(31, 535), 32, "Load Floating-Point Single Indexed.")
_load("lfsux FRT,RA,RB", x_form(31, 567), 32, "Load Floating-Point Single with Update Indexed.")
_load("lfdx FRT,RA0,RB", x_form(31, 599), 64, "Load Floating-Point Double Indexed.")
_load("lfdux FRT,RA,RB", x_form(31, 631), 64, "Load Floating-Point Double with Update Indexed.")


@section.define("lfiwax FRT,RA0,RB", x_form(31, 855))
def lfiwax(cpu: Trace) -> None:
    """Load Floating-Point as Integer Word Algebraic Indexed."""
    cpu[FRT] = cpu.load(effective_address(cpu), 32).sext(64)


@section.define("lfiwzx FRT,RA0,RB", x_form(31, 887))
def lfiwzx(cpu: Trace) -> None:
    """Load Floating-Point as Integer Word and Zero Indexed."""
    cpu[FRT] = cpu.load(effective_address(cpu), 32).zext(64)


def _store(syntax: str, form: Form, width: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        ea = effective_address(cpu)
        cpu.store(ea, cpu[FRS] if width == 64 else to_single(cpu[FRS]))
        if RA in cpu.operands:
            cpu[RA] = ea

    describe.__doc__ = title
    section.define(syntax, form)(describe)


_store("stfs FRS,D(RA0)", d_form(52), 32, "Store Floating-Point Single.")
_store("stfsu FRS,D(RA)", d_form(53), 32, "Store Floating-Point Single with Update.")
_store("stfd FRS,D(RA0)", d_form(54), 64, "Store Floating-Point Double.")
_store("stfdu FRS,D(RA)", d_form(55), 64, "Store Floating-Point Double with Update.")
_store("stfsx FRS,RA0,RB", x_form(31, 663), 32, "Store Floating-Point Single Indexed.")
_store("stfsux FRS,RA,RB", x_form(31, 695), 32, "Store Floating-Point Single with Update Indexed.")
_store("stfdx FRS,RA0,RB", x_form(31, 727), 64, "Store Floating-Point Double Indexed.")
_store("stfdux FRS,RA,RB", x_form(31, 759), 64, "Store Floating-Point Double with Update Indexed.")


@section.define("stfiwx FRS,RA0,RB", x_form(31, 983))
def stfiwx(cpu: Trace) -> None:
    """Store Floating-Point as Integer Word Indexed."""
    cpu.store(effective_address(cpu), cpu[FRS].trunc(32))
