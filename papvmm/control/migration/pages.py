"""Pages of RAM as records of a stream: runs of pages, those of zeros without their bytes."""

from collections.abc import Iterable, Iterator

from papvmm.control.migration.stream import Kind, Record, zeros, zeros_length
from papvmm.control.snapshot.ram import runs_of
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import PAGE, GuestMemory


def page_records(memory: GuestMemory, pages: Iterable[int]) -> Iterator[Record]:
    """Return what pages, whose gpas are given in ascending order, hold now."""
    for gpa, length, content in runs_of(memory.ram, pages):
        yield Record(Kind.PAGES, gpa, content) if content else zeros(gpa, length)


def table_records(table: memoryview) -> Iterator[Record]:
    """Return what a hashed page table holds, but for zeros."""
    for at, _, content in runs_of(table, range(0, len(table), PAGE)):
        if content:
            yield Record(Kind.TABLE, at, content)


def apply_pages(memory: GuestMemory, record: Record) -> None:
    """Put into RAM what came; BadInput if it does not fit."""
    is_zeros = record.kind is Kind.ZEROS
    size = zeros_length(record.payload) if is_zeros else len(record.payload)
    if not memory.holds(record.number, size):
        raise BadInput(f"the stream has {size} bytes of RAM at {record.number:#x}: there are none")
    if is_zeros:
        memory.clear(record.number, size)
    else:
        memory.write(record.number, record.payload)
