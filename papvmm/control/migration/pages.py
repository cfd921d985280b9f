"""Pages of RAM as records of a stream: runs of pages, those of zeros without their bytes."""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby
from mmap import PAGESIZE
from typing import Final

from papvmm.control.migration.stream import Kind, Record, length, zeros
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import GuestMemory

LONGEST_RUN: Final = 1 << 20
_ZEROS: Final = bytes(PAGESIZE)


def page_records(memory: GuestMemory, pages: Iterable[int]) -> Iterator[Record]:
    """Return what pages, whose gpas are given in ascending order, hold now."""
    for gpa, end in _runs(pages):
        run = memory.ram[gpa : min(end, memory.size)].tobytes()
        offsets = range(0, len(run), PAGESIZE)
        for is_zero, group in groupby(offsets, partial(run.startswith, _ZEROS)):
            first, *rest = group
            last = rest[-1] if rest else first
            if is_zero:
                yield zeros(gpa + first, last - first + PAGESIZE)
            else:
                yield Record(Kind.PAGES, gpa + first, run[first : last + PAGESIZE])


def apply_pages(memory: GuestMemory, record: Record) -> None:
    """Put into RAM what came; BadInput if it does not fit."""
    is_zeros = record.kind is Kind.ZEROS
    size = length(record.payload) if is_zeros else len(record.payload)
    if not memory.holds(record.number, size):
        raise BadInput(f"the stream has {size} bytes of RAM at {record.number:#x}: there are none")
    if is_zeros:
        memory.clear(record.number, size)
    else:
        memory.write(record.number, record.payload)


def _runs(pages: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return where runs of pages begin and end; none is longer than ``LONGEST_RUN``."""
    start = end = -1
    for gpa in pages:
        if gpa != end or end - start == LONGEST_RUN:
            if end > start:
                yield start, end
            start = gpa
        end = gpa + PAGESIZE
    if end > start:
        yield start, end
