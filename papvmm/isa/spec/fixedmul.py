"""Fixed-point multiplication and division (Power ISA v3.0B, Book I, 3.3.9)."""

from typing import Final

from papvmm.isa.forms import d_form, va_form, x_form, xo_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import RA, RB, RC, RT, SI
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section()


@section.define("mulli RT,RA,SI", d_form(7))
def mulli(cpu: Trace) -> None:
    """Multiply Low Immediate."""
    cpu[RT] = cpu[RA] * cpu[SI]


@section.define("mullw[o][.] RT,RA,RB", xo_form(31, 235))
def mullw(cpu: Trace) -> None:
    """Multiply Low Word."""
    product = cpu[RA].trunc(32).sext(64) * cpu[RB].trunc(32).sext(64)
    overflow = product.ne(product.trunc(32).sext(64))
    cpu[RT] = product
    cpu.overflow(overflow, overflow)


@section.define("mulld[o][.] RT,RA,RB", xo_form(31, 233))
def mulld(cpu: Trace) -> None:
    """Multiply Low Doubleword."""
    product = cpu[RA].sext(128) * cpu[RB].sext(128)
    overflow = product.ne(product.trunc(64).sext(128))
    cpu[RT] = product.trunc(64)
    cpu.overflow(overflow, overflow)


def _high_word(cpu: Trace, product: Value) -> None:
    """Put the high word of a product into both halves of RT, as POWER9 does."""
    high = product >> 32
    cpu[RT] = (high << 32) | high


@section.define("mulhw[.] RT,RA,RB", xo_form(31, 75))
def mulhw(cpu: Trace) -> None:
    """Multiply High Word."""
    _high_word(cpu, cpu[RA].trunc(32).sext(64) * cpu[RB].trunc(32).sext(64))


@section.define("mulhwu[.] RT,RA,RB", xo_form(31, 11))
def mulhwu(cpu: Trace) -> None:
    """Multiply High Word Unsigned."""
    _high_word(cpu, cpu[RA].trunc(32).zext(64) * cpu[RB].trunc(32).zext(64))


@section.define("mulhd[.] RT,RA,RB", xo_form(31, 73))
def mulhd(cpu: Trace) -> None:
    """Multiply High Doubleword."""
    cpu[RT] = ((cpu[RA].sext(128) * cpu[RB].sext(128)) >> 64).trunc(64)


@section.define("mulhdu[.] RT,RA,RB", xo_form(31, 9))
def mulhdu(cpu: Trace) -> None:
    """Multiply High Doubleword Unsigned."""
    cpu[RT] = ((cpu[RA].zext(128) * cpu[RB].zext(128)) >> 64).trunc(64)


@section.define("maddld RT,RA,RB,RC", va_form(4, 51))
def maddld(cpu: Trace) -> None:
    """Multiply-Add Low Doubleword."""
    cpu[RT] = cpu[RA] * cpu[RB] + cpu[RC]


@section.define("maddhd RT,RA,RB,RC", va_form(4, 48))
def maddhd(cpu: Trace) -> None:
    """Multiply-Add High Doubleword."""
    total = cpu[RA].sext(128) * cpu[RB].sext(128) + cpu[RC].sext(128)
    cpu[RT] = (total >> 64).trunc(64)


@section.define("maddhdu RT,RA,RB,RC", va_form(4, 49))
def maddhdu(cpu: Trace) -> None:
    """Multiply-Add High Doubleword Unsigned."""
    total = cpu[RA].zext(128) * cpu[RB].zext(128) + cpu[RC].zext(128)
    cpu[RT] = (total >> 64).trunc(64)


def divide(cpu: Trace, dividend: Value, divisor: Value, *, signed: bool) -> None:
    """Put the quotient into RT: 0 with OV=1 where there is none, as POWER9 does."""
    undefined = divisor.eq(0)
    if signed:
        most_negative = 1 << (dividend.width - 1)
        undefined = undefined | (dividend.eq(most_negative) & divisor.eq(-1))
    safe = undefined.select(1, divisor)
    quotient = dividend.sdiv(safe) if signed else dividend.udiv(safe)
    cpu[RT] = undefined.select(0, quotient).zext(64)
    cpu.overflow(undefined, undefined)


@section.define("divd[o][.] RT,RA,RB", xo_form(31, 489))
def divd(cpu: Trace) -> None:
    """Divide Doubleword."""
    divide(cpu, cpu[RA], cpu[RB], signed=True)


@section.define("divdu[o][.] RT,RA,RB", xo_form(31, 457))
def divdu(cpu: Trace) -> None:
    """Divide Doubleword Unsigned."""
    divide(cpu, cpu[RA], cpu[RB], signed=False)


@section.define("divw[o][.] RT,RA,RB", xo_form(31, 491))
def divw(cpu: Trace) -> None:
    """Divide Word."""
    divide(cpu, cpu[RA].trunc(32), cpu[RB].trunc(32), signed=True)


@section.define("divwu[o][.] RT,RA,RB", xo_form(31, 459))
def divwu(cpu: Trace) -> None:
    """Divide Word Unsigned."""
    divide(cpu, cpu[RA].trunc(32), cpu[RB].trunc(32), signed=False)


def divide_extended(cpu: Trace, dividend: Value, divisor: Value, *, signed: bool) -> None:
    """Divide ``dividend`` followed by as many zero bits: 0 with OV=1 if the quotient won't fit.

    Magnitudes are divided, so that the double-width division is an unsigned one.
    """
    width = dividend.width
    negative = dividend.slt(0) ^ divisor.slt(0) if signed else cpu.const(0, 1)
    numerator = (_magnitude(dividend) if signed else dividend).zext(2 * width) << width
    denominator = _magnitude(divisor) if signed else divisor
    safe = denominator.eq(0).select(1, denominator)
    quotient = numerator.udiv(safe.zext(2 * width))
    limit = negative.select(1 << width - 1, quotient.coerce((1 << width - 1) - 1))
    if not signed:
        limit = quotient.coerce((1 << width) - 1)
    undefined = denominator.eq(0) | limit.ult(quotient)
    result = negative.select(quotient.coerce(0) - quotient, quotient).trunc(width)
    cpu[RT] = undefined.select(0, result).zext(64)
    cpu.overflow(undefined, undefined)


def _magnitude(value: Value) -> Value:
    return value.slt(0).select(value.coerce(0) - value, value)


@section.define("divde[o][.] RT,RA,RB", xo_form(31, 425))
def divde(cpu: Trace) -> None:
    """Divide Doubleword Extended."""
    divide_extended(cpu, cpu[RA], cpu[RB], signed=True)


@section.define("divdeu[o][.] RT,RA,RB", xo_form(31, 393))
def divdeu(cpu: Trace) -> None:
    """Divide Doubleword Extended Unsigned."""
    divide_extended(cpu, cpu[RA], cpu[RB], signed=False)


@section.define("divwe[o][.] RT,RA,RB", xo_form(31, 427))
def divwe(cpu: Trace) -> None:
    """Divide Word Extended."""
    divide_extended(cpu, cpu[RA].trunc(32), cpu[RB].trunc(32), signed=True)


@section.define("divweu[o][.] RT,RA,RB", xo_form(31, 395))
def divweu(cpu: Trace) -> None:
    """Divide Word Extended Unsigned."""
    divide_extended(cpu, cpu[RA].trunc(32), cpu[RB].trunc(32), signed=False)


def remainder(dividend: Value, divisor: Value, *, signed: bool) -> Value:
    """Return what division leaves: 0 where there is no quotient, as POWER9 does."""
    undefined = divisor.eq(0)
    if signed:
        undefined = undefined | divisor.eq(-1)
    safe = undefined.select(1, divisor)
    quotient = dividend.sdiv(safe) if signed else dividend.udiv(safe)
    return undefined.select(0, dividend - quotient * safe)


@section.define("modsd RT,RA,RB", x_form(31, 777))
def modsd(cpu: Trace) -> None:
    """Modulo Signed Doubleword."""
    cpu[RT] = remainder(cpu[RA], cpu[RB], signed=True)


@section.define("modud RT,RA,RB", x_form(31, 265))
def modud(cpu: Trace) -> None:
    """Modulo Unsigned Doubleword."""
    cpu[RT] = remainder(cpu[RA], cpu[RB], signed=False)


@section.define("modsw RT,RA,RB", x_form(31, 779))
def modsw(cpu: Trace) -> None:
    """Modulo Signed Word."""
    cpu[RT] = remainder(cpu[RA].trunc(32), cpu[RB].trunc(32), signed=True).sext(64)


@section.define("moduw RT,RA,RB", x_form(31, 267))
def moduw(cpu: Trace) -> None:
    """Modulo Unsigned Word."""
    cpu[RT] = remainder(cpu[RA].trunc(32), cpu[RB].trunc(32), signed=False).zext(64)
