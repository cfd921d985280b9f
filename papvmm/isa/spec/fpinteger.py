"""Doubles from and to integers on the host's doubles, where that is exact to FPSCR: see fpfast."""

from papvmm.isa.exit import Exit
from papvmm.isa.softfloat.fpscr import AWAY, DOWN, UP
from papvmm.isa.spec.fpfast import (
    INFINITE,
    SIGN,
    float_,
    leave_unless_calm,
    record,
    rounds_once,
    twice,
)
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

HALF_DOUBLE = 0x3FE << 53
LEAST_INTEGRAL = 1023 + 52 << 53
"""Twice the least number whose neighbours are integers, and all that follow."""


def from_integer(cpu: Trace, name: str, number: Value) -> Value:
    """Convert a doubleword, signed or not; unsigned ones above the signed are the helper's."""
    double = float_(cpu, "fsigned", number)
    is_exact = (number + (1 << 53)).ult(1 << 54)
    result = double
    if name.endswith("s"):
        result = float_(cpu, "fsingle", double)
        cpu.exit_if(~rounds_once(name, double), Exit.HELPER)
        is_exact = is_exact & result.eq(double)
    if "u" in name:
        cpu.exit_if(number.slt(0), Exit.HELPER)
    leave_unless_calm(cpu, is_exact)
    record(cpu, name, number)
    return result


def to_integer(cpu: Trace, name: str, double: Value) -> Value:
    """Convert to an integer as fctid and its kin do, as 64 bits; great ones are the helper's.

    The least one is not: what converts to an unsigned integer by way of it is usual.
    """
    integral = double if name.endswith("z") else _nearest(cpu, double)
    bits = 63 if "id" in name else 32 if "u" in name else 31
    fits, is_least = twice(integral).ult(1023 + bits << 53), integral.eq(SIGN | 1023 + bits << 52)
    if "u" in name:
        fits, is_least = fits & ~integral.slt(0), cpu.const(0, 1)
    cpu.exit_if(~is_least, Exit.HELPER, unless=fits)
    number = float_(cpu, "fint", integral)
    is_exact = cpu.pure("feq", 1, float_(cpu, "fsigned", number), double)
    leave_unless_calm(cpu, is_exact)
    record(cpu, name, double)
    return number


def _nearest(cpu: Trace, double: Value) -> Value:
    """Round to the nearest integer, to an even one from half-way."""
    great = (double & SIGN) | (1023 + 52 << 52)
    rounded = float_(cpu, "fadd", float_(cpu, "fadd", double, great), great ^ SIGN)
    return twice(double).ult(LEAST_INTEGRAL).select(rounded, double)


def to_integral(cpu: Trace, rounding: int, double: Value) -> Value:
    """Round to an integral value, which tells nobody if it was inexact; NaNs are the helper's."""
    cpu.exit_if(double.coerce(INFINITE).ult(twice(double)), Exit.HELPER)
    has_fraction = twice(double).ult(LEAST_INTEGRAL)
    number = float_(cpu, "fint", has_fraction.select(double, cpu.const(0)))
    cut = float_(cpu, "fsigned", number)
    if rounding == DOWN:
        number = number - cpu.pure("flt", 1, double, cut).zext(64)
    elif rounding == UP:
        number = number + cpu.pure("flt", 1, cut, double).zext(64)
    elif rounding == AWAY:
        rest = twice(float_(cpu, "fadd", double, cut ^ SIGN))
        more = (~rest.ult(HALF_DOUBLE)).zext(64)
        number = double.slt(0).select(number - more, number + more)
    rounded = float_(cpu, "fsigned", number) | (double & SIGN)
    result = has_fraction.select(rounded, double)
    record(cpu, "class", result)
    return result
