"""Whose bytes are these? A page of guest RAM as a row of cells, after the handover."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from papvmm.memory.guest_memory import PAGE
from papvmm.observe.corruption import is_hit
from papvmm.observe.record import RunRecord, Spot


class Mark(IntEnum):
    """What the hypervisor did to the bytes of a cell; the worst of them counts."""

    NONE = 0
    """Nothing."""
    OVERWRITTEN = 1
    """Stored into an area of the kernel before, but the guest has stored there since."""
    OWN = 2
    """Stored into an area of the kernel that runs."""
    FOREIGN = 3
    """Stored into an area of the kernel before, and changed what the next one put there."""


@dataclass(frozen=True, slots=True)
class Cell:
    """Some bytes of a page: their ``mark``, how many ``stores`` hit them, and what they were."""

    mark: Mark = Mark.NONE
    stores: int = 0
    title: str = ""


EMPTY: Final = Cell()


def pages_shown(*records: RunRecord) -> tuple[int, ...]:
    """Return the gpas of the pages worth showing: those with areas or stores in any record."""
    return tuple(sorted({page for record in records for page in record.pages}))


def cells_of(spots: Iterable[Spot], page: int, size: int, until: int) -> tuple[Cell, ...]:
    """Return the cells of the 4 KiB page at ``page``, each of ``size`` bytes.

    Only places that were first stored to before ``until`` instructions count.
    """
    row = [EMPTY] * (PAGE // size)
    for spot in spots:
        gpa, length = spot.first.gpa, len(spot.now)
        if spot.first.icount >= until:
            continue
        first, last = max(gpa, page), min(gpa + length, page + PAGE) - 1
        for index in range((first - page) // size, (last - page) // size + 1):
            row[index] = _joined(row[index], spot)
    return tuple(row)


def _joined(cell: Cell, spot: Spot) -> Cell:
    write = spot.first
    title = f"{write.gpa:#x} {write.field}, vcpu{write.vcpu_id}: {spot.count} stores"
    return Cell(
        max(cell.mark, mark_of(spot)),
        cell.stores + spot.count,
        f"{cell.title}\n{title}" if cell.title else title,
    )


def mark_of(spot: Spot) -> Mark:
    """Classify a spot."""
    if not spot.foreign:
        return Mark.OWN
    return Mark.FOREIGN if is_hit(spot) else Mark.OVERWRITTEN
