"""Floating point against rational arithmetic and the host's own, in all rounding modes."""

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.convert import decode, encode, narrow, to_integer, to_integral, widen
from papvmm.isa.softfloat.formats import DOUBLE, HALF, SINGLE, result_class
from papvmm.isa.softfloat.fpscr import (
    AWAY,
    DOWN,
    EXCEPTIONS,
    FI,
    FPRF,
    FR,
    NEAREST,
    OE,
    OX,
    TOWARD_ZERO,
    UE,
    UP,
    UX,
    VXCVI,
    XX,
)

SIGN = 1 << 63
EDGES = [
    0, 1, 2, (1 << 52) - 1, 1 << 52, (1 << 52) + 1, 0x369 << 52, 0x36A << 52, 0x380 << 52,
    0x381 << 52, 0x380F_FFFF_E000_0000, 0x380F_FFFF_F000_0000, 0x3FE << 52, 0x3FF << 52,
    (0x3FF << 52) + 1, 0x3FEF_FFFF_FFFF_FFFF, 0x3FF0_0000_1000_0000, 0x3FF0_0000_3000_0000,
    0x3FF0_0000_1000_0001, 0x433 << 52, 0x43E << 52, 0x43F << 52, 0x47EF_FFFF_E000_0000,
    0x47EF_FFFF_F000_0000, 0x47F << 52, 0x7FEF_FFFF_FFFF_FFFF,
]  # fmt: skip
INFINITIES = [0x7FF << 52, 0xFFF << 52]
MODES = st.sampled_from([NEAREST, TOWARD_ZERO, UP, DOWN])


@st.composite
def finite(draw):
    """Doubles with few bits, many bits, and near each limit of the formats."""
    sign = draw(st.integers(0, 1)) << 63
    if draw(st.booleans()):
        return sign | draw(st.sampled_from(EDGES))
    exponent = draw(
        st.integers(0, 0x7FE) | st.integers(0x3F0, 0x410) | st.integers(0x360, 0x384)
        | st.integers(0, 60) | st.integers(0x7C0, 0x7FE) | st.integers(0x47A, 0x481)
    )  # fmt: skip
    kept = draw(st.sampled_from([2, 10, 23, 24, 26, 52]))
    return sign | exponent << 52 | draw(st.integers(0, (1 << kept) - 1)) << 52 - kept


def host(bits):
    return struct.unpack(">d", bits.to_bytes(8))[0]


def bits_of(number):
    return int.from_bytes(struct.pack(">d", number))


def rational(bits):
    return Fraction(host(bits))


def rounded(value, mode, quantum):
    """Round a rational to a multiple of another."""
    whole = math.floor(value / quantum)
    rest = value / quantum - whole
    up = {
        NEAREST: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2 == 1),
        TOWARD_ZERO: value < 0 and rest > 0,
        UP: rest > 0,
        DOWN: False,
        AWAY: rest > Fraction(1, 2) or (rest == Fraction(1, 2) and value > 0),
    }[mode]
    return (whole + up) * quantum


def scale_of(value):
    """Return the exponent of the highest bit of a rational that is not zero."""
    exponent = abs(value.numerator).bit_length() - value.denominator.bit_length()
    return exponent if abs(value) >= Fraction(2) ** exponent else exponent - 1


def expected(value, of, mode):
    """Return the bits of a rational that is not zero, rounded, and its exceptions."""
    quantum = Fraction(2) ** (max(scale_of(value), 1 - of.emax) - of.precision + 1)
    result = rounded(value, mode, quantum)
    flags = XX if result != value else 0
    if abs(value) < Fraction(2) ** (1 - of.emax) and flags:
        flags |= UX
    if abs(result) >= Fraction(2) ** (of.emax + 1):
        largest = (2 - Fraction(2) ** (1 - of.precision)) * Fraction(2) ** of.emax
        to_infinity = mode in (NEAREST, UP if value > 0 else DOWN)
        magnitude = 0x7FF << 52 if to_infinity else bits_of(float(largest))
        return (SIGN if value < 0 else 0) | magnitude, OX | XX
    bits = bits_of(float(result))
    return bits | (SIGN if value < 0 else 0), flags


EXACT = {
    "fadd": lambda a, b: a + b,
    "fsub": lambda a, b: a - b,
    "fmul": lambda a, c: a * c,
    "fdiv": lambda a, b: a / b,
    "fmadd": lambda a, b, c: a * c + b,
    "fmsub": lambda a, b, c: a * c - b,
}


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize(("suffix", "of"), [("", DOUBLE), ("s", SINGLE)])
@given(operands=st.tuples(finite(), finite(), finite()), mode=MODES)
def test_arithmetic_is_rational_arithmetic_rounded_once(name, suffix, of, operands, mode):
    operands = operands[: EXACT[name].__code__.co_argcount]
    assume(name != "fdiv" or operands[1] & ~SIGN)
    value = EXACT[name](*map(rational, operands))
    assume(value)

    outcome = operate(OPERATIONS[name + suffix], operands, mode)

    assert (outcome.result, outcome.fpscr & EXCEPTIONS) == expected(value, of, mode)


@given(finite(), MODES)
def test_a_root_is_between_the_squares_of_its_neighbours(b, mode):
    b &= ~SIGN
    assume(b)

    result, fpscr = operate(OPERATIONS["fsqrt"], (b,), mode)

    square = rational(result) ** 2
    assert bool(fpscr & XX) == (square != rational(b))
    if mode == NEAREST:
        assert result == bits_of(math.sqrt(host(b)))
    elif mode == UP:
        assert rational(result - 1) ** 2 < rational(b) <= square
    else:
        assert square <= rational(b) < rational(result + 1) ** 2


@given(finite(), finite(), MODES)
def test_negative_forms_round_before_they_negate(a, b, mode):
    one = 0x3FF << 52

    plain, negated = (
        operate(OPERATIONS[name], (a, b, one), mode).result for name in ("fmadd", "fnmadd")
    )

    assert negated == plain ^ SIGN


@pytest.mark.parametrize("name", ["fadd", "fsub", "fmul", "fdiv"])
@given(
    a=finite() | st.sampled_from(INFINITIES),
    b=finite() | st.sampled_from(INFINITIES),
)
def test_arithmetic_to_nearest_is_the_hosts(name, a, b):
    assume(name != "fdiv" or b & ~SIGN)
    x, y = host(a), host(b)
    value = {
        "fadd": lambda: x + y, "fsub": lambda: x - y, "fmul": lambda: x * y, "fdiv": lambda: x / y,
    }[name]()  # fmt: skip

    result = operate(OPERATIONS[name], (a, b), NEAREST).result

    assert result == bits_of(value) if not math.isnan(value) else result == 0x7FF8 << 48


@given(finite(), finite(), MODES)
def test_fi_and_fr_describe_the_rounding(a, b, mode):
    value = rational(a) + rational(b)
    assume(value)

    result, fpscr = operate(OPERATIONS["fadds"], (a, b), mode)

    assume(result & ~SIGN < 0x7FF << 52)
    assert bool(fpscr & FI) == (rational(result) != value)
    assert bool(fpscr & FR) == (abs(rational(result)) > abs(value))
    assert fpscr & FPRF == result_class(result)


@given(st.integers(0, SIGN * 2 - 1), MODES)
@pytest.mark.parametrize(("name", "offset"), [("fcfid", SIGN * 2), ("fcfidu", 0)])
def test_an_integer_is_converted_as_any_number(name, offset, number, mode):
    assume(number)
    value = Fraction(number - offset if number >> 63 else number)

    outcome = operate(OPERATIONS[name], (number,), mode)

    assert (outcome.result, outcome.fpscr & EXCEPTIONS) == expected(value, DOUBLE, mode)


@given(finite(), MODES)
@pytest.mark.parametrize("width", [32, 64])
@pytest.mark.parametrize("is_signed", [False, True])
def test_a_conversion_to_integer_saturates(width, is_signed, b, mode):
    low, high = (-1 << width - 1, (1 << width - 1) - 1) if is_signed else (0, (1 << width) - 1)
    whole = rounded(rational(b), mode, 1)

    outcome = to_integer(b, mode, width, is_signed=is_signed, to_zero=False)

    assert outcome.result == max(low, min(high, whole)) & SIGN * 2 - 1
    exceptions = XX if whole != rational(b) else 0
    assert outcome.fpscr & EXCEPTIONS == (exceptions if low <= whole <= high else VXCVI)


@given(finite(), st.sampled_from([NEAREST, TOWARD_ZERO, UP, DOWN, AWAY]))
def test_rounding_to_an_integer_keeps_the_sign_and_is_not_inexact(b, mode):
    outcome = to_integral(b, 0, mode)

    assert rational(outcome.result) == rounded(rational(b), mode, 1)
    assert outcome.result & SIGN == b & SIGN
    assert outcome.fpscr & ~FPRF == 0


@given(st.integers(0, 0xFFFF))
def test_half_format_is_the_hosts(half):
    value = struct.unpack(">e", half.to_bytes(2))[0]
    assume(not math.isnan(value))

    assert widen(half, 0, HALF).result == bits_of(value)
    assert narrow(bits_of(value), 0, HALF).result == half


@given(finite(), MODES)
def test_narrowing_rounds_once(b, mode):
    assume(b & ~SIGN)

    outcome = narrow(b, mode, HALF)

    double, flags = expected(rational(b), HALF, mode)
    assert (decode(outcome.result, HALF), outcome.fpscr & EXCEPTIONS) == (double, flags)


@given(st.integers(0, 0xFFFF_FFFF))
def test_single_format_comes_back(word):
    assert encode(decode(word, SINGLE), SINGLE) == word


@given(finite(), finite())
@pytest.mark.parametrize(("suffix", "of"), [("", DOUBLE), ("s", SINGLE)])
def test_an_enabled_overflow_or_underflow_adjusts_the_exponent(suffix, of, a, b):
    value = rational(a) * rational(b)
    assume(value)
    plain, flags = expected(value, of, NEAREST)
    scale = Fraction(2) ** of.adjustment
    is_tiny = abs(value) < Fraction(2) ** (1 - of.emax)
    if is_tiny:
        value *= scale
    elif flags & OX:
        value /= scale
    wanted, exceptions = expected(value, of, NEAREST) if is_tiny or flags & OX else (plain, flags)
    assume(not exceptions & (OX | UX))

    outcome = operate(OPERATIONS["fmul" + suffix], (a, b), OE | UE)

    assert outcome.result == wanted
    assert outcome.fpscr & EXCEPTIONS == exceptions | (UX if is_tiny else flags & OX)
