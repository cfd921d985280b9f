"""Architected state as named cells in one flat buffer, shared by every engine.

A cell has a *value* width (what the semantics see) and a storage size. CR is 32 cells of
one bit, XER is split into its bits: an instruction touches exactly what it changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from papvmm.bits import ones


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """A register, or an array of ``count`` registers, at ``offset`` in the state buffer."""

    name: str
    width: int
    offset: int
    count: int = 1

    @property
    def size(self) -> int:
        """Bytes of storage for one element."""
        return max(self.width, 8) // 8

    def at(self, index: int) -> int:
        """Return the offset of one element in the state buffer."""
        return self.offset + self.size * index


def _layout(*cells: tuple[str, int, int]) -> Iterator[Cell]:
    offset = 0
    for name, width, count in cells:
        cell = Cell(name, width, offset, count)
        yield cell
        offset += cell.size * count


ZERO_GPR: Final = 32
"""The element of GPR that always holds 0: what (RA|0) names when RA is 0."""

CELLS: Final = tuple(
    _layout(
        ("gpr", 64, 33), ("cia", 64, 1), ("lr", 64, 1), ("ctr", 64, 1),
        ("msr", 64, 1), ("srr0", 64, 1), ("srr1", 64, 1), ("xer_low", 64, 1),
        ("reserve_ea", 64, 1), ("reserve_value", 64, 1), ("fault_ea", 64, 1), ("now", 64, 1),
        ("cr", 1, 32), ("so", 1, 1), ("ov", 1, 1), ("ov32", 1, 1),
        ("ca", 1, 1), ("ca32", 1, 1), ("reserved", 1, 1),
    )
)  # fmt: skip
GPR, CIA, LR, CTR, MSR, SRR0, SRR1, XER_LOW, RESERVE_EA, RESERVE_VALUE, FAULT_EA = CELLS[:11]
NOW: Final = CELLS[11]
"""Instructions completed: exact whenever no engine runs. Virtual time follows from it."""
CR, SO, OV, OV32, CA, CA32, RESERVED = CELLS[12:]
STATE_SIZE: Final = CELLS[-1].offset + 16 & -16

MSR_PR: Final = 0x4000
"""Problem state: privileged instructions are interrupts."""

XER_BITS: Final = ((SO, 32), (OV, 33), (CA, 34), (OV32, 44), (CA32, 45))
"""The XER bits that are cells of their own, by MSB-0 number; the low 18 bits are ``XER_LOW``."""


class ArchState:
    """The registers of one vcpu, as a view of a buffer an engine may also hold."""

    __slots__ = ("buffer",)

    def __init__(self, buffer: memoryview | None = None) -> None:
        self.buffer: Final = memoryview(bytearray(STATE_SIZE)) if buffer is None else buffer

    def read(self, cell: Cell, index: int = 0) -> int:
        """Return the value of one cell."""
        start = cell.at(index)
        return int.from_bytes(self.buffer[start : start + cell.size], "little")

    def write(self, cell: Cell, value: int, index: int = 0) -> None:
        """Set the value of one cell."""
        start = cell.at(index)
        self.buffer[start : start + cell.size] = (value & ones(cell.width)).to_bytes(
            cell.size, "little"
        )

    @property
    def cr(self) -> int:
        """The condition register as the 32-bit word mfcr returns."""
        return int("".join(str(self.read(CR, bit)) for bit in range(32)), 2)

    @cr.setter
    def cr(self, word: int) -> None:
        for bit in range(32):
            self.write(CR, word >> (31 - bit), bit)

    @property
    def xer(self) -> int:
        """The fixed-point exception register as mfspr returns it."""
        return self.read(XER_LOW) | sum(self.read(cell) << (63 - bit) for cell, bit in XER_BITS)

    @xer.setter
    def xer(self, word: int) -> None:
        self.write(XER_LOW, word & ones(18))
        for cell, bit in XER_BITS:
            self.write(cell, word >> (63 - bit))
