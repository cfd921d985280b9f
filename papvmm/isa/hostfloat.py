"""The host's doubles, as bits: rounded to nearest, and right where descriptions ask for them.

An operation without a finite result has any that is not: descriptions leave such to softfloat.
"""

import math
from struct import Struct
from typing import Final

from papvmm.bits import signed
from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.formats import DEFAULT_NAN, INFINITY, SIGN

_BITS: Final = Struct("<Q")
_DOUBLE: Final = Struct("<d")
_SINGLE: Final = Struct("<f")
_MULTIPLY_ADD: Final = OPERATIONS["fmadd"]


def double(bits: int) -> float:
    """Return the double that some bits are."""
    number: float = _DOUBLE.unpack(_BITS.pack(bits))[0]
    return number


def bits_of(number: float) -> int:
    """Return the bits of a double."""
    bits: int = _BITS.unpack(_DOUBLE.pack(number))[0]
    return bits


def add(a: int, b: int) -> int:
    """Add."""
    return bits_of(double(a) + double(b))


def multiply(a: int, b: int) -> int:
    """Multiply."""
    return bits_of(double(a) * double(b))


def divide(a: int, b: int) -> int:
    """Divide."""
    return bits_of(double(a) / double(b)) if b & ~SIGN else DEFAULT_NAN


def multiply_add(a: int, b: int, c: int) -> int:
    """Return a*b + c, rounded once."""
    result = operate(_MULTIPLY_ADD, (a, c, b), 0).result
    assert result is not None
    return result


def square_root(a: int) -> int:
    """Take the root."""
    return bits_of(math.sqrt(double(a))) if a <= INFINITY or a == SIGN else DEFAULT_NAN


def to_single(a: int) -> int:
    """Round to single precision; the result is a double."""
    try:
        return bits_of(_SINGLE.unpack(_SINGLE.pack(double(a)))[0])
    except OverflowError:
        return INFINITY


def from_integer(number: int) -> int:
    """Convert a signed doubleword."""
    return bits_of(float(signed(number, 64)))


def to_integer(a: int) -> int:
    """Convert to a signed doubleword, in whose range it must be, toward zero."""
    return int(double(a))


def is_less(a: int, b: int) -> bool:
    """Tell whether a < b."""
    return double(a) < double(b)


def is_equal(a: int, b: int) -> bool:
    """Tell whether a = b."""
    return double(a) == double(b)
