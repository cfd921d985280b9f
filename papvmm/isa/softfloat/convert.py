"""Conversions to integers and between formats (Power ISA v3.0B, Book I, 4.6.7 and 7.6.3)."""

from papvmm.isa.softfloat.formats import (
    DOUBLE,
    INFINITY,
    SIGN,
    Format,
    Number,
    is_infinite,
    is_nan,
    pack,
    propagate_nan,
    result_class,
    round_result,
    round_to,
    unpack,
)
from papvmm.isa.softfloat.fpscr import (
    FPRF,
    RN,
    TOWARD_ZERO,
    VXCVI,
    XX,
    Answer,
    Outcome,
    conclude,
)


def to_integer(b: int, fpscr: int, width: int, *, is_signed: bool, to_zero: bool) -> Outcome:
    """Convert to an integer of 64 bits, saturating at ``width``; FPRF, undefined, is left alone."""
    low, high = (-1 << width - 1, (1 << width - 1) - 1) if is_signed else (0, (1 << width) - 1)
    flags = inexact = 0
    if is_nan(b):
        integer, flags = low, VXCVI | propagate_nan((b,)).flags
    elif is_infinite(b):
        integer, flags = low if b >> 63 else high, VXCVI
    else:
        value, inexact = round_to(unpack(b), 0, TOWARD_ZERO if to_zero else fpscr & RN)
        exact = (-1) ** value.sign * value.mantissa << value.exponent
        integer = max(low, min(high, exact))
        if integer != exact:
            flags, inexact = VXCVI, 0
    flags |= inexact | (XX if inexact else 0)
    return conclude(Answer(integer & SIGN * 2 - 1, flags), fpscr & FPRF, fpscr)


def to_integral(b: int, fpscr: int, rounding: int, *, tells_inexact: bool = False) -> Outcome:
    """Round to an integral value."""
    answer = propagate_nan((b,))
    if not is_nan(b):
        value, inexact = (
            (Number(0, 0, 0), 0) if is_infinite(b) else round_to(unpack(b), 0, rounding)
        )
        flags = inexact | XX if inexact and tells_inexact else 0
        answer = Answer(b if is_infinite(b) else pack(value), flags)
    return conclude(answer, result_class(answer.bits), fpscr)


def encode(double: int, to: Format) -> int:
    """Return a double that fits a narrower format in it; what does not fit is cut off."""
    width = to.emax.bit_length() + to.precision
    sign, magnitude = double >> 63 << width, double & ~SIGN
    if magnitude >= INFINITY:
        return sign | (1 << width) - (1 << to.precision - 1) | (magnitude - INFINITY) >> to.dropped
    if magnitude >= to.least_normal:
        rebased = magnitude - (1023 - to.emax << 52) >> to.dropped
        return sign | rebased & (1 << width) - 1
    _, mantissa, exponent = unpack(magnitude)
    shift = 2 - to.emax - to.precision - exponent
    return sign | mantissa >> shift


def decode(bits: int, of: Format) -> int:
    """Return a number of a narrower format as a double; a NaN stays what it is."""
    width = of.emax.bit_length() + of.precision
    sign, exponent = bits >> width << 63, bits >> of.precision - 1 & 2 * of.emax + 1
    fraction = bits & (1 << of.precision - 1) - 1
    if exponent == 2 * of.emax + 1:
        return sign | INFINITY | fraction << of.dropped
    if exponent:
        return sign | exponent + 1023 - of.emax << 52 | fraction << of.dropped
    return sign | pack(Number(0, fraction, 2 - of.emax - of.precision))


def narrow(b: int, fpscr: int, to: Format) -> Outcome:
    """Convert a double to a narrower format."""
    if is_nan(b):
        answer = propagate_nan((b,))
    elif is_infinite(b):
        answer = Answer(b)
    else:
        answer = round_result(unpack(b), to, fpscr)
    encoded = Answer(encode(answer.bits, to), answer.flags)
    return conclude(encoded, result_class(answer.bits, to), fpscr)


def widen(bits: int, fpscr: int, of: Format) -> Outcome:
    """Convert a number of a narrower format to a double."""
    double = decode(bits, of)
    answer = propagate_nan((double,)) if is_nan(double) else Answer(double)
    return conclude(answer, result_class(answer.bits, DOUBLE), fpscr)
