"""Binary coded decimal assists (Power ISA v3.0B, Book I, 3.3.15), as helpers.

A declet holds three decimal digits in ten bits, in densely packed decimal (Book I, appendix B).
"""

from collections.abc import Callable, Mapping
from typing import Final

from papvmm.isa.forms import x_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import RA, RS, Operand
from papvmm.isa.state import GPR, ArchState

section: Final = Section()


def to_declet(digits: int) -> int:
    """Return the declet of three BCD digits; of a digit over 7 only the last bit counts."""
    nibbles = [digits >> shift & 0xF for shift in (8, 4, 0)]
    high, middle, low = (nibble >> 1 & 3 for nibble in nibbles)
    match [nibble >> 3 for nibble in nibbles]:
        case [0, 0, 0]:
            pq, st, v, wx = high, middle, 0, low
        case [0, 0, _]:
            pq, st, v, wx = high, middle, 1, 0
        case [0, _, 0]:
            pq, st, v, wx = high, low, 1, 1
        case [_, 0, 0]:
            pq, st, v, wx = low, middle, 1, 2
        case [_, _, 0]:
            pq, st, v, wx = low, 0, 1, 3
        case [_, 0, _]:
            pq, st, v, wx = middle, 1, 1, 3
        case [0, _, _]:
            pq, st, v, wx = high, 2, 1, 3
        case _:
            pq, st, v, wx = 0, 3, 1, 3
    r, u, y = (nibble & 1 for nibble in nibbles)
    return pq << 8 | r << 7 | st << 5 | u << 4 | v << 3 | wx << 1 | y


def to_digits(declet: int) -> int:
    """Return the three BCD digits of a declet, canonical or not."""
    pq, st, wx = (declet >> shift & 3 for shift in (8, 5, 1))
    large = 4
    match declet >> 3 & 1, wx, st:
        case 0, _, _:
            high, middle, low = pq, st, wx
        case _, 0, _:
            high, middle, low = pq, st, large
        case _, 1, _:
            high, middle, low = pq, large, st
        case _, 2, _:
            high, middle, low = large, st, pq
        case _, _, 0:
            high, middle, low = large, large, pq
        case _, _, 1:
            high, middle, low = large, pq, large
        case _, _, 2:
            high, middle, low = pq, large, large
        case _:
            high, middle, low = large, large, large
    r, u, y = (declet >> shift & 1 for shift in (7, 4, 0))
    return high << 9 | r << 8 | middle << 5 | u << 4 | low << 1 | y


def _convert(
    state: ArchState,
    fields: Mapping[Operand, int],
    function: Callable[[int], int],
    spans: tuple[int, int],
) -> None:
    """Convert both halves of both words of RS, ``spans`` bits apart in source and result."""
    source, result = state.read(GPR, fields[RS]), 0
    from_bits, to_bits = spans
    for word in (0, 32):
        for half in (0, 1):
            piece = source >> (word + from_bits * half) & ((1 << from_bits) - 1)
            result |= function(piece) << (word + to_bits * half)
    state.write(GPR, result, fields[RA])


@section.define_helper("cdtbcd RA,RS", x_form(31, 282))
def cdtbcd(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
    """Convert Declets To Binary Coded Decimal."""
    _convert(state, fields, to_digits, (10, 12))


@section.define_helper("cbcdtd RA,RS", x_form(31, 314))
def cbcdtd(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
    """Convert Binary Coded Decimal To Declets."""
    _convert(state, fields, to_declet, (12, 10))
