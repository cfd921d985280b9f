"""Memory as bytes of a file, guest RAM's: runs of pages, compressed; those of zeros are left out.

A run is its gpa (8 bytes, big-endian), its length and the length of what follows (4 bytes
each), and the pages, compressed by zlib. Runs are in ascending order and don't overlap.
"""

import zlib
from collections.abc import Callable, Iterator
from itertools import groupby
from struct import Struct
from typing import Final

from papvmm.errors import BadInput
from papvmm.memory.guest_memory import PAGE

LONGEST: Final = 1 << 20
"""Bytes of memory in the longest run."""
FAST: Final = 1
"""zlib's level: saving stops the guest."""

_RUN: Final = Struct(">QII")
_ZEROS: Final = bytes(LONGEST)


def packed(memory: memoryview) -> Iterator[bytes]:
    """Return what memory holds, in pieces."""
    for start in range(0, len(memory), LONGEST):
        block = memory[start : start + LONGEST].tobytes()
        if block != _ZEROS[: len(block)]:
            for gpa, pages in _runs(start, block):
                squeezed = zlib.compress(pages, FAST)
                yield _RUN.pack(gpa, len(pages), len(squeezed))
                yield squeezed


def unpack(name: str, data: bytes, size: int, write: Callable[[int, bytes], None]) -> None:
    """Write into memory of some size, which holds nothing yet, what ``packed`` returned.

    BadInput if it can't be that; the ``name`` of the file says what is wrong.
    """
    at = end = 0
    while at < len(data):
        if len(data) - at < _RUN.size:
            raise BadInput(f"{name} ends within a run, at byte {at}")
        gpa, length, squeezed = _RUN.unpack_from(data, at)
        at += _RUN.size
        if gpa < end or not 0 < length <= LONGEST or gpa + length > size:
            raise BadInput(f"{name} has a run of {length} bytes at {gpa:#x}, where none can be")
        write(gpa, _expanded(name, data[at : at + squeezed], length))
        at += squeezed
        end = gpa + length


def _expanded(name: str, squeezed: bytes, length: int) -> bytes:
    expander = zlib.decompressobj()
    try:
        pages = expander.decompress(squeezed, length + 1)
    except zlib.error as error:
        raise BadInput(f"{name} can't be expanded: {error}") from None
    if len(pages) != length or not expander.eof:
        raise BadInput(f"{name} has a run of another length than it says")
    return pages


def _runs(start: int, block: bytes) -> Iterator[tuple[int, bytes]]:
    """Return the longest runs of pages that aren't all zeros."""
    pages = range(0, len(block), PAGE)

    def is_zero(offset: int) -> bool:
        page = block[offset : offset + PAGE]
        return page == _ZEROS[: len(page)]

    for zero, run in groupby(pages, is_zero):
        if not zero:
            offsets = list(run)
            yield start + offsets[0], block[offsets[0] : offsets[-1] + PAGE]
