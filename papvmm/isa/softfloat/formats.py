"""Binary formats, exact values, and rounding one to the other (Power ISA v3.0B, Book I, 4.3).

Registers hold double format; a narrower result is a double that fits its precision. An exact
value is ``(sign, mantissa, exponent)``, meaning (-1)**sign * mantissa * 2**exponent; where it
has no end (division, root) the mantissa carries a sticky lowest bit.
"""

from typing import Final, NamedTuple

from papvmm.isa.softfloat.fpscr import (
    DOWN,
    FI,
    FR,
    OE,
    OX,
    RN,
    UE,
    UP,
    UX,
    VXSNAN,
    XX,
    Answer,
)

SIGN: Final = 1 << 63
INFINITY: Final = 0x7FF << 52
QUIET: Final = 1 << 51
DEFAULT_NAN: Final = INFINITY | QUIET
FPRF_OF_CLASS: Final = ((0x02, 0x12), (0x14, 0x18), (0x04, 0x08), (0x05, 0x09), (0x11, 0x11))
"""FPRF by class (zero, denormal, normal, infinity, NaN) and sign of a result."""


class Format(NamedTuple):
    """A precision to round to."""

    precision: int
    emax: int
    adjustment: int
    """Added to or taken from the exponent when an overflow or underflow is enabled."""

    @property
    def dropped(self) -> int:
        """Bits of a double's fraction that the format lacks."""
        return 53 - self.precision

    @property
    def least_normal(self) -> int:
        """The least normal number, as a double."""
        return 1024 - self.emax << 52


DOUBLE: Final = Format(53, 1023, 1536)
SINGLE: Final = Format(24, 127, 192)
HALF: Final = Format(11, 15, 24)


class Number(NamedTuple):
    """A finite exact value."""

    sign: int
    mantissa: int
    exponent: int


def is_nan(bits: int) -> bool:
    """Say whether a double is a NaN."""
    return bits & ~SIGN > INFINITY


def is_infinite(bits: int) -> bool:
    """Say whether a double is an infinity."""
    return bits & ~SIGN == INFINITY


def unpack(bits: int) -> Number:
    """Return the value of a finite double."""
    exponent, fraction = bits >> 52 & 0x7FF, bits & (1 << 52) - 1
    if exponent:
        return Number(bits >> 63, fraction | 1 << 52, exponent - 1075)
    return Number(bits >> 63, fraction, -1074)


def pack(value: Number) -> int:
    """Return a finite value that fits a double."""
    sign, mantissa, exponent = value
    if not mantissa:
        return sign << 63
    shift = max(mantissa.bit_length() - 53, -1074 - exponent)
    mantissa = mantissa >> shift if shift > 0 else mantissa << -shift
    biased = exponent + shift + 1075 if mantissa >> 52 else 0
    return sign << 63 | biased << 52 | mantissa & (1 << 52) - 1


def result_class(bits: int, of: Format = DOUBLE) -> int:
    """Return FPRF, in its place, for a result that a double holds but a format classifies."""
    limits = (1, of.least_normal, INFINITY, INFINITY + 1)
    number = sum(bits & ~SIGN >= limit for limit in limits)
    return FPRF_OF_CLASS[number][bits >> 63] << 12


def propagate_nan(operands: tuple[int, ...]) -> Answer:
    """Return the first NaN, made quiet, or 0; signal if any NaN is signalling."""
    nans = [bits for bits in operands if is_nan(bits)]
    signals = any(not bits & QUIET for bits in nans)
    return Answer(nans[0] | QUIET if nans else 0, VXSNAN if signals else 0)


def round_to(value: Number, quantum: int, rounding: int) -> tuple[Number, int]:
    """Round to a multiple of 2**quantum; return it with FI and FR as flags."""
    sign, mantissa, exponent = value
    shift = quantum - exponent
    if shift <= 0:
        return value, 0
    kept, rest = mantissa >> shift, mantissa & (1 << shift) - 1
    if not rest:
        return Number(sign, kept, quantum), 0
    half = 1 << shift - 1
    up = (rest + (kept & 1) > half, False, not sign, bool(sign), rest >= half)[rounding]
    return Number(sign, kept + up, quantum), FI | FR * up


def round_result(value: Number, to: Format, fpscr: int) -> Answer:
    """Round an exact value once, with overflow and underflow; the answer is a double."""
    sign, mantissa, exponent = value
    if not mantissa:
        return Answer(sign << 63)
    flags = 0
    leading = mantissa.bit_length() - 1 + exponent
    tiny = leading < 1 - to.emax  # before rounding, whatever it is rounded to
    if tiny and fpscr & UE:
        flags |= UX
        leading += to.adjustment
        value = Number(sign, mantissa, exponent + to.adjustment)
    quantum = max(leading, 1 - to.emax) - to.precision + 1
    rounded, inexact = round_to(value, quantum, fpscr & RN)
    if tiny and inexact:
        flags |= UX
    flags |= inexact | (XX if inexact else 0)
    if rounded.mantissa.bit_length() - 1 + rounded.exponent > to.emax:
        return _overflow(rounded, to, fpscr, flags)
    return Answer(pack(rounded), flags)


def _overflow(rounded: Number, to: Format, fpscr: int, flags: int) -> Answer:
    if fpscr & OE:
        adjusted = rounded._replace(exponent=rounded.exponent - to.adjustment)
        return Answer(pack(adjusted), flags | OX)
    sign, rounding = rounded.sign, fpscr & RN
    if rounding == (DOWN if sign else UP) or not rounding:
        return Answer(sign << 63 | INFINITY, OX | XX | FI | FR)
    largest = (to.emax + 1024 << 52) - (1 << to.dropped)
    return Answer(sign << 63 | largest, OX | XX | FI)
