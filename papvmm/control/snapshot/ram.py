"""Memory as bytes of a file, guest RAM's: runs of pages, compressed; those of zeros are left out.

A run is its gpa (8 bytes, big-endian), its length and the length of what follows (4 bytes
each), and the pages, compressed by zlib. Runs are in ascending order and don't overlap. Where only
changes of memory are in a file, runs of zeros are there, too: nothing follows them.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
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


def packed_pages(memory: memoryview, pages: Iterable[int]) -> Iterator[bytes]:
    """Return what some pages hold, whose places are given in ascending order, in pieces."""
    for gpa, length, content in runs_of(memory, pages):
        squeezed = zlib.compress(content, FAST) if content else b""
        yield _RUN.pack(gpa, length, len(squeezed))
        yield squeezed


def runs_of(memory: memoryview, pages: Iterable[int]) -> Iterator[tuple[int, int, bytes]]:
    """Return pages as runs: where each is, its length, and what it holds; of zeros, no bytes."""
    for start, end in _together(pages):
        block = memory[start:end].tobytes()
        for is_zero, offsets in groupby(range(0, len(block), PAGE), partial(_is_zero, block)):
            first, *more = offsets
            run = block[first : (more[-1] if more else first) + PAGE]
            yield start + first, len(run), b"" if is_zero else run


def places(name: str, data: bytes, size: int) -> Iterator[tuple[int, int, bytes]]:
    """Return the runs in a file: where in memory of some size, how long, and what they are.

    What they are is compressed. BadInput, with the ``name`` of the file, if they can't be there.
    """
    at = end = 0
    while at < len(data):
        if len(data) - at < _RUN.size:
            raise BadInput(f"{name} ends within a run, at byte {at}")
        gpa, length, squeezed = _RUN.unpack_from(data, at)
        at += _RUN.size
        if gpa < end or not 0 < length <= LONGEST or gpa + length > size:
            raise BadInput(f"{name} has a run of {length} bytes at {gpa:#x}, where none can be")
        if len(data) - at < squeezed:
            raise BadInput(f"{name} ends within a run, at byte {at}")
        yield gpa, length, data[at : at + squeezed]
        at += squeezed
        end = gpa + length


def unpack(name: str, data: bytes, size: int, write: Callable[[int, bytes], None]) -> None:
    """Write into memory of some size what ``packed`` or ``packed_pages`` returned.

    BadInput if it can't be that; the ``name`` of the file says what is wrong.
    """
    for gpa, length, squeezed in places(name, data, size):
        write(gpa, _expanded(name, squeezed, length) if squeezed else bytes(length))


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
    for zero, run in groupby(range(0, len(block), PAGE), partial(_is_zero, block)):
        if not zero:
            offsets = list(run)
            yield start + offsets[0], block[offsets[0] : offsets[-1] + PAGE]


def _is_zero(block: bytes, offset: int) -> bool:
    page = block[offset : offset + PAGE]
    return page == _ZEROS[: len(page)]


def _together(pages: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return where runs of pages begin and end; none is longer than ``LONGEST``."""
    start = end = 0
    for gpa in pages:
        if gpa != end or end - start == LONGEST:
            if end > start:
                yield start, end
            start = gpa
        end = gpa + PAGE
    if end > start:
        yield start, end
