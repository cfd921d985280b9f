"""Printing: instruction words as assembler text, for people and for our own assembler."""

import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from papvmm.isa.decode import Decoded, decode
from papvmm.isa.operands import BD, BO, RS, RT, Kind
from papvmm.isa.sprs import SPRS

if TYPE_CHECKING:
    import capstone


def disassemble(word: int, cia: int = 0) -> str:
    """Return the text for people of the instruction at ``cia``.

    Capstone's, whose extended mnemonics read best; ours where it knows none.
    """
    decoded = decode(word)
    if decoded is not None and decoded.instruction.mnemonic in CORRECTED:
        corrected = CORRECTED[decoded.instruction.mnemonic](decoded)
        if corrected is not None:
            return corrected
    for instruction in _capstone().disasm(word.to_bytes(4), cia):
        operands = _vsrs(instruction.op_str, decoded)
        return f"{instruction.mnemonic} {operands}".rstrip()
    return plain(word)


def plain(word: int) -> str:
    """Return an instruction in the Power ISA's own notation, all operands as numbers."""
    decoded = decode(word)
    return f".long {word:#010x}" if decoded is None else show(decoded)


def show(decoded: Decoded) -> str:
    """Return the text of a decoded instruction; zeros that may be left out are."""
    numbers = list(decoded.operands.values())
    for operand in reversed(decoded.instruction.operands):
        if not operand.is_optional or numbers[-1]:
            break
        numbers.pop()
    before = re.split(r"\w+", decoded.instruction.syntax)
    after = before[-1] if len(numbers) == len(decoded.operands) else ""
    written = "".join(f"{text}{number}" for text, number in zip(before, numbers, strict=False))
    return f"{decoded.instruction.name(decoded.statics)} {written}{after}".rstrip()


def _named_move(decoded: Decoded) -> str | None:
    """Return mfspr and mtspr with the register's name, of which Capstone knows few."""
    (number,) = decoded.statics
    spr = SPRS.get(number)
    name, register = decoded.instruction.mnemonic[:2], decoded.operands.get(RT)
    if spr is None:
        return None
    return f"{name}{spr.name.lower()} r{decoded.operands[RS] if register is None else register}"


def _odd_branch(decoded: Decoded) -> str | None:
    """Return a bc that always goes, which Capstone thinks counts, or to itself, which it omits."""
    always = 0b10100
    is_odd = decoded.operands[BO] & always == always or decoded.operands[BD] == 0
    return show(decoded) if is_odd else None


def _vsrs(operands: str, decoded: Decoded | None) -> str:
    """Name VSR 32 and above as the assembler does: Capstone writes v0 for vs32."""
    if decoded is None or all(op.kind is not Kind.VSR for op in decoded.operands):
        return operands
    return re.sub(r"\bv(\d+)", lambda vr: f"vs{32 + int(vr[1])}", operands)


CORRECTED: Final[dict[str, Callable[[Decoded], str | None]]] = {
    "mfspr": _named_move,
    "mtspr": _named_move,
    "bc": _odd_branch,
}
"""Where Capstone says less than we know, or something wrong."""


@cache
def _capstone() -> "capstone.Cs":
    """Return capstone's disassembler, loaded when the first instruction is printed."""
    import capstone  # noqa: PLC0415

    return capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_BIG_ENDIAN)
