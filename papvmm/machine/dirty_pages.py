"""Which pages of guest RAM change: the host's kernel knows, whoever stores.

RAM is mapped privately over a file without a name, so the first store into a page gives the page
a copy, and /proc/self/pagemap tells which pages have one. Guest code runs as before. Taking the
changes writes the copies to the file and lets go of them, so the file is RAM as it was then.
"""

import os
import re
import weakref
from collections.abc import Iterator
from mmap import PAGESIZE
from typing import Final

from papvmm.errors import PapvmmError
from papvmm.memory.guest_memory import GuestMemory

PAGEMAP: Final = "/proc/self/pagemap"
ENTRY: Final = 8
"""Bytes of pagemap for each page; the last of them is examined here, as in Linux's
Documentation/admin-guide/mm/pagemap.rst: present (bit 63), swapped (62), of a file (61)."""
_IN_USE: Final = re.compile(rb"[\x40-\xff]+")
_COPIED: Final = re.compile(rb"[\x40-\x5f\x80-\x9f\xc0-\xdf]+")


class DirtyPages:
    """The changes of guest RAM, for any number of those who want to know.

    A page is one of the host: ``PAGESIZE`` bytes, by the gpa where it begins. Raises
    ``PapvmmError`` on a host that doesn't tell.
    """

    def __init__(self, memory: GuestMemory) -> None:
        self._memory: Final = memory
        self._subscribers: Final[list[Changes]] = []
        self._file = -1

    def subscribe(self, *, before: bool = False) -> "Changes":
        """Return what changes from now on; ``before`` says whether to keep what was there."""
        if self._file < 0:
            self._begin()
        self.collect()
        changes = Changes(self, before=before)
        self._subscribers.append(changes)
        return changes

    def unsubscribe(self, changes: "Changes") -> None:
        """Tell it of no more changes."""
        self._subscribers.remove(changes)

    def collect(self) -> None:
        """Find the pages that have changed since the last time, and tell all subscribers."""
        for start, end in self._runs(_COPIED):
            now, then = self._memory.ram[start:end], os.pread(self._file, end - start, start)
            for gpa in range(start, end, PAGESIZE):
                old = then[gpa - start : gpa - start + PAGESIZE]
                if now[gpa - start : gpa - start + PAGESIZE].tobytes() != old:
                    for changes in self._subscribers:
                        changes.add(gpa, old)
            os.pwrite(self._file, now, start)
            self._memory.drop_copies(start, end - start)

    def _begin(self) -> None:
        """Put a file under RAM that holds what RAM holds."""
        file = os.memfd_create("guest RAM")
        os.truncate(file, self._memory.size)
        for start, end in self._runs(_IN_USE):
            os.pwrite(file, self._memory.ram[start:end], start)
        self._memory.map_over(file)
        self._file = file
        weakref.finalize(self, os.close, file)

    def _runs(self, pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
        """Yield the ranges of RAM whose pages the host's kernel describes like that."""
        pages = -(-self._memory.size // PAGESIZE)
        first = self._memory.host_address // PAGESIZE
        try:
            with open(PAGEMAP, "rb", buffering=0) as pagemap:
                entries = os.pread(pagemap.fileno(), pages * ENTRY, first * ENTRY)
        except OSError as error:
            raise PapvmmError(
                f"the host does not tell which pages change: {PAGEMAP}: {error.strerror}"
            ) from None
        for run in pattern.finditer(entries[ENTRY - 1 :: ENTRY]):
            yield run.start() * PAGESIZE, min(run.end() * PAGESIZE, self._memory.size)


class Changes:
    """The pages that have changed since one subscriber last took them."""

    def __init__(self, dirty_pages: DirtyPages, *, before: bool) -> None:
        self._dirty_pages: Final = dirty_pages
        self._keeps: Final = before
        self._pages: dict[int, bytes] = {}

    def add(self, gpa: int, old: bytes) -> None:
        """Note that a page has changed, and what was there, unless that is known already."""
        self._pages.setdefault(gpa, old if self._keeps else b"")

    def take(self) -> dict[int, bytes]:
        """Return the pages changed since the last time, each with what was there then.

        That is empty where the subscriber didn't want it. A page that has become again what it
        was may be among them.
        """
        self._dirty_pages.collect()
        pages, self._pages = self._pages, {}
        return pages

    def close(self) -> None:
        """Be told of no more changes."""
        self._dirty_pages.unsubscribe(self)
