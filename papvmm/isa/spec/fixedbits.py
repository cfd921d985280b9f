"""Byte reversal and bits under a mask, which version 3.1 added (Power ISA v3.1, I, 3.3.13, 3.3.17).

Those under a mask move each bit by another distance: helpers.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from papvmm.isa.forms import x_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import RA, RB, RS, Operand
from papvmm.isa.state import GPR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section()

EACH_BYTE: Final = 0x00FF_00FF_00FF_00FF
EACH_HALFWORD: Final = 0x0000_FFFF_0000_FFFF


def _swapped(value: Value, distance: int, lower: int) -> Value:
    """Exchange neighbours of ``distance`` bits, the ``lower`` ones with those above."""
    return ((value >> distance) & lower) | ((value & lower) << distance)


def _reverse(name: str, xo: int, size: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        value = _swapped(cpu[RS], 8, EACH_BYTE)
        if size >= 4:
            value = _swapped(value, 16, EACH_HALFWORD)
        cpu[RA] = value.rotl(32) if size == 8 else value

    describe.__doc__ = title
    section.define(f"{name} RA,RS", x_form(31, xo))(describe)


_reverse("brh", 219, 2, "Byte-Reverse Halfword.")
_reverse("brw", 155, 4, "Byte-Reverse Word.")
_reverse("brd", 187, 8, "Byte-Reverse Doubleword.")


def _selected(value: int, mask: int, wanted: int) -> int:
    """Return the bits of ``value`` where ``mask`` has the ``wanted`` bit, at the right."""
    result = 0
    for place in range(63, -1, -1):
        if mask >> place & 1 == wanted:
            result = result << 1 | (value >> place & 1)
    return result


def _deposited(value: int, mask: int) -> int:
    """Return bits from the right of ``value``, in the places where ``mask`` has ones."""
    result = 0
    for number, place in enumerate(_ones(mask)):
        result |= (value >> number & 1) << place
    return result


def _ones(mask: int) -> Iterator[int]:
    return (place for place in range(64) if mask >> place & 1)


def _leading(value: int, mask: int) -> int:
    """Count the zeros before the first one among the bits that a mask selects, from the left."""
    return mask.bit_count() - _selected(value, mask, 1).bit_length()


def _trailing(value: int, mask: int) -> int:
    found = _selected(value, mask, 1)
    return (found & -found).bit_length() - 1 if found else mask.bit_count()


def _centrifuge(value: int, mask: int) -> int:
    """Return the bits under zeros of a mask at the left, those under ones at the right."""
    return _selected(value, mask, 0) << mask.bit_count() | _selected(value, mask, 1)


def _under_mask(name: str, xo: int, function: Callable[[int, int], int], title: str) -> None:
    def helper(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
        value, mask = state.read(GPR, fields[RS]), state.read(GPR, fields[RB])
        state.write(GPR, function(value, mask), fields[RA])

    helper.__doc__ = title
    section.define_helper(f"{name} RA,RS,RB", x_form(31, xo))(helper)


_under_mask("cntlzdm", 59, _leading, "Count Leading Zeros Doubleword under bit Mask.")
_under_mask("cnttzdm", 571, _trailing, "Count Trailing Zeros Doubleword under bit Mask.")
_under_mask("pdepd", 156, _deposited, "Parallel Bits Deposit Doubleword.")
_under_mask("pextd", 188, lambda s, m: _selected(s, m, 1), "Parallel Bits Extract Doubleword.")
_under_mask("cfuged", 220, _centrifuge, "Centrifuge Doubleword.")
