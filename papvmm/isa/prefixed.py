"""Prefixed instructions: two words, the first of opcode 1 (Power ISA v3.1, Book I, 1.6.3).

Most are loads, stores and additions that exist without a prefix, which makes their displacement
34 bits wide or relative to the instruction's address: they are described there.
"""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import field, signed
from papvmm.isa.decode import Decoded
from papvmm.isa.facilities import Unit
from papvmm.isa.operands import DQ, DS, SI, XSQ, XTQ, D, Operand
from papvmm.isa.spec import INSTRUCTIONS

PREFIX: Final = 1
"""The primary opcode of prefixes."""
LENGTH: Final = 8
BOUNDARY: Final = 64
"""No prefixed instruction may cross a multiple of so many bytes."""

EIGHT_BYTE_LOAD: Final = 0
EIGHT_BYTE_REGISTER: Final = 1
MODIFIED_LOAD: Final = 2
MODIFIED_REGISTER: Final = 3
"""Types of prefixes: with a suffix that is an instruction only then, or one by itself, too."""
NO_OPERATION: Final = 0
MATRIX: Final = 9
"""Subtypes of MODIFIED_REGISTER."""

_WIDENED: Final[Mapping[tuple[int, int], str]] = {
    (MODIFIED_LOAD, 14): "addi", (MODIFIED_LOAD, 32): "lwz", (MODIFIED_LOAD, 34): "lbz",
    (MODIFIED_LOAD, 36): "stw", (MODIFIED_LOAD, 38): "stb", (MODIFIED_LOAD, 40): "lhz",
    (MODIFIED_LOAD, 42): "lha", (MODIFIED_LOAD, 44): "sth", (MODIFIED_LOAD, 48): "lfs",
    (MODIFIED_LOAD, 50): "lfd", (MODIFIED_LOAD, 52): "stfs", (MODIFIED_LOAD, 54): "stfd",
    (EIGHT_BYTE_LOAD, 41): "lwa", (EIGHT_BYTE_LOAD, 42): "lxsd", (EIGHT_BYTE_LOAD, 43): "lxssp",
    (EIGHT_BYTE_LOAD, 46): "stxsd", (EIGHT_BYTE_LOAD, 47): "stxssp",
    (EIGHT_BYTE_LOAD, 50): "lxv", (EIGHT_BYTE_LOAD, 51): "lxv",
    (EIGHT_BYTE_LOAD, 54): "stxv", (EIGHT_BYTE_LOAD, 55): "stxv", (EIGHT_BYTE_LOAD, 56): "lq",
    (EIGHT_BYTE_LOAD, 57): "ld", (EIGHT_BYTE_LOAD, 60): "stq", (EIGHT_BYTE_LOAD, 61): "std",
}  # fmt: skip
"""By type and the suffix's opcode: what it would be called without a p."""
_VECTOR_PAIRS: Final = (58, 62)
_IMMEDIATES: Final = (32, 33, 34)
_GER: Final = 59

ODD: Final = 1 << 31 - 10
"""The last bit of a register's number, which is 0 where that names a pair."""
_NAMED: Final = {instruction.mnemonic: instruction for instruction in INSTRUCTIONS}
_NOTHING: Final = Decoded(_NAMED["isync"], (), {})


def is_prefix(word: int) -> bool:
    """Tell whether a word is the first of two, on a processor that has such instructions."""
    return field(word, 0, 5) == PREFIX


def crosses_boundary(cia: int) -> bool:
    """Tell whether a prefixed instruction may not be at an address."""
    return cia % BOUNDARY > BOUNDARY - LENGTH


def decode_prefixed(prefix: int, suffix: int, cia: int) -> Decoded | None:
    """Return what to execute at ``cia`` instead, or None if that is not described."""
    kind = field(prefix, 6, 7)
    if kind == MODIFIED_REGISTER and field(prefix, 8, 11) == NO_OPERATION:
        return _NOTHING
    name = _WIDENED.get((kind, field(suffix, 0, 5)))
    if name is None or field(prefix, 8, 8):
        return None
    relative, ra = field(prefix, 11, 11), field(suffix, 11, 15)
    if relative and ra:
        return None
    instruction = _NAMED[name]
    distance = signed(field(prefix, 14, 31) << 16 | field(suffix, 16, 31), 34)
    displacement = distance + cia if relative else distance
    fields = {operand: _field(operand, suffix, displacement) for operand in instruction.operands}
    if instruction.form.mask & ODD & suffix:
        return None
    return Decoded(instruction, (), fields)


def _field(operand: Operand, suffix: int, displacement: int) -> int:
    if operand in (D, DS, DQ, SI):
        return displacement
    if operand in (XTQ, XSQ):
        return field(suffix, 5, 10)
    return operand.decode(suffix)


def facility_of_prefixed(prefix: int, suffix: int) -> Unit | None:
    """Return the facility that a prefixed instruction without description needs, or None."""
    kind, opcode = field(prefix, 6, 7), field(suffix, 0, 5)
    known = (
        (kind == EIGHT_BYTE_LOAD and not field(prefix, 8, 8) and opcode in _VECTOR_PAIRS)
        or (kind == EIGHT_BYTE_REGISTER and not field(prefix, 8, 11) and opcode in _IMMEDIATES)
        or (kind == MODIFIED_REGISTER and field(prefix, 8, 11) == MATRIX and opcode == _GER)
    )
    return Unit.VSX if known else None
