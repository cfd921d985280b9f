"""What a debugger can have put into a vcpu's registers: a log may be damaged, or made up."""

from typing import Final

from papvmm.bits import ones
from papvmm.errors import BadInput
from papvmm.isa.softfloat.record import KINDS
from papvmm.isa.state import CELLS, FP_KIND, GPR, RESERVE_SIZE, STATE_SIZE, ZERO_GPR, Cell
from papvmm.machine.inputs import Registers

_SPECIAL: Final = {FP_KIND.name: len(KINDS), RESERVE_SIZE.name: 16}


def _mask(cell: Cell) -> bytes:
    """Return which bits one element of a cell may have."""
    width = cell.width if cell.name not in _SPECIAL else _SPECIAL[cell.name].bit_length()
    return ones(width).to_bytes(cell.size, "little")


_BITS: Final = b"".join(_mask(cell) * cell.count for cell in CELLS.values()).ljust(
    STATE_SIZE, b"\0"
)
"""Bits that there may be, byte by byte."""


def check_registers(registers: Registers) -> None:
    """Raise BadInput for changes that no debugger can have made."""
    for offset, data in registers.changes:
        if offset + len(data) > STATE_SIZE:
            raise BadInput("log is damaged: there is no such register")
        changed = range(offset, offset + len(data))
        if any(byte & ~_BITS[at] for at, byte in zip(changed, data, strict=True)):
            raise BadInput("log is damaged: a register has bits that it doesn't have")
        for at, byte in zip(changed, data, strict=True):
            zero = GPR.at(ZERO_GPR) <= at < GPR.at(ZERO_GPR + 1)
            if (zero and byte) or (at == FP_KIND.offset and byte > len(KINDS)):
                raise BadInput("log is damaged: a register has a value that it can't have")
