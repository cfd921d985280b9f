"""Comparisons, extremes and tests (Power ISA v3.0B, Book I, 4.6.8 and 7.6.3)."""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.isa.softfloat.convert import decode, encode
from papvmm.isa.softfloat.formats import (
    DOUBLE,
    INFINITY,
    SIGN,
    SINGLE,
    Format,
    is_infinite,
    is_nan,
    propagate_nan,
)
from papvmm.isa.softfloat.fpscr import (
    FPCC,
    VE,
    VXVC,
    Answer,
    Outcome,
    conclude_quietly,
    raise_exceptions,
)

LESS, GREATER, EQUAL, UNORDERED = 8, 4, 2, 1


def order(bits: int) -> int:
    """Return an integer that orders as the doubles do; zeros are equal."""
    return -(bits ^ SIGN) if bits >> 63 else bits


def relation(a: int, b: int) -> int:
    """Return the four bits LT GT EQ FU."""
    if is_nan(a) or is_nan(b):
        return UNORDERED
    x, y = order(a), order(b)
    return LESS if x < y else GREATER if x > y else EQUAL


def compare_flags(a: int, b: int, fpscr: int, *, ordered: bool) -> int:
    """Return the exceptions of a comparison; an ordered one demands that there are no NaNs."""
    flags = propagate_nan((a, b)).flags
    if ordered and relation(a, b) == UNORDERED and not (flags and fpscr & VE):
        flags |= VXVC
    return flags


def compare(a: int, b: int, fpscr: int, *, ordered: bool) -> tuple[int, int]:
    """Return the relation, and FPSCR."""
    found = relation(a, b)
    flags = compare_flags(a, b, fpscr, ordered=ordered)
    return found, raise_exceptions(fpscr & ~FPCC | found << 12, flags)


def compare_to_mask(a: int, b: int, fpscr: int, accepted: int) -> Outcome:
    """Return all ones if the relation is one of those accepted; only equality may have NaNs."""
    flags = compare_flags(a, b, fpscr, ordered=accepted != EQUAL)
    holds = relation(a, b) & accepted
    return conclude_quietly(Answer(2 * SIGN - 1 if holds else 0, flags), fpscr)


def compare_exponents(a: int, b: int) -> int:
    """Return the relation of two exponents."""
    if is_nan(a) or is_nan(b):
        return UNORDERED
    return relation(a & INFINITY, b & INFINITY)


# Extremes. The wanted relation is that of the first operand to the second.


def extreme(a: int, b: int, fpscr: int, wanted: int) -> Outcome:
    """Return the greater or the lesser as IEEE 754-2008 does: a number rather than a quiet NaN."""
    nan = propagate_nan((a, b))
    if (is_nan(a) and is_nan(b)) or nan.flags:
        bits = nan.bits
    elif is_nan(a) or is_nan(b):
        bits = b if is_nan(a) else a
    else:
        bits = _chosen(a, b, wanted)
    return conclude_quietly(Answer(bits, nan.flags), fpscr)


def extreme_as_c(a: int, b: int, fpscr: int, wanted: int) -> Outcome:
    """Return what C's conditional expression yields: the second unless the first is wanted."""
    flags = propagate_nan((a, b)).flags
    return conclude_quietly(Answer(a if relation(a, b) == wanted else b, flags), fpscr)


def extreme_as_java(a: int, b: int, fpscr: int, wanted: int) -> Outcome:
    """Return what Java's Math.max and min do: a NaN, untouched, if there is one."""
    nan = next(filter(is_nan, (a, b)), None)
    bits = _chosen(a, b, wanted) if nan is None else nan
    return conclude_quietly(Answer(bits, propagate_nan((a, b)).flags), fpscr)


def _chosen(a: int, b: int, wanted: int) -> int:
    """Choose between numbers; the positive zero is the greater."""
    found = relation(a, b)
    if found == EQUAL:
        return a | b if wanted == LESS else a & b
    return a if found == wanted else b


Extreme: TypeAlias = Callable[[int, int, int, int], Outcome]

# Tests: what software division, software roots and classification ask.


def _exponent(bits: int) -> int:
    """Return the unbiased exponent field."""
    return (bits >> 52 & 0x7FF) - 1023


def _is_denormal(bits: int, of: Format = DOUBLE) -> bool:
    return 0 < bits & ~SIGN < of.least_normal


def test_divide(a: int, b: int) -> int:
    """Return the CR field of ftdiv: whether software can divide without special care."""
    ea, eb = _exponent(a), _exponent(b)
    is_odd = bool(a & INFINITY == INFINITY or b & INFINITY == INFINITY or not b & ~SIGN)
    is_far = eb <= -1022 or eb >= 1021
    quotient = a & ~SIGN and (ea - eb >= 1023 or ea - eb <= -1021 or ea <= -970)
    fe = is_odd or is_far or bool(quotient)
    fg = is_infinite(a) or is_infinite(b) or not b & ~SIGN or _is_denormal(b)
    return 8 | 4 * fg | 2 * fe


def test_square_root(b: int) -> int:
    """Return the CR field of ftsqrt."""
    is_zero = not b & ~SIGN
    fe = is_zero or b & INFINITY == INFINITY or bool(b >> 63) or _exponent(b) <= -970
    fg = is_zero or is_infinite(b) or _is_denormal(b)
    return 8 | 4 * fg | 2 * fe


MATCH: Final = 2
NOT_SINGLE: Final = 1


def test_class(b: int, classes: int, of: Format) -> int:
    """Return the CR field of a data class test: the sign, a match, and whether b is no ``of``."""
    positive = not b >> 63
    if is_nan(b):
        match = classes >> 6
    elif is_infinite(b):
        match = classes >> 4 + positive
    elif not b & ~SIGN:
        match = classes >> 2 + positive
    elif _is_denormal(b, of):
        match = classes >> positive
    else:
        match = 0
    misfit = of is SINGLE and decode(encode(b, of), of) != b
    return (b >> 63) << 3 | (match & 1) * MATCH | misfit * NOT_SINGLE
