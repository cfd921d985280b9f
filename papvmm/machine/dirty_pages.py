"""Which pages of guest RAM change: the host's kernel knows, whoever stores.

RAM is mapped privately over a file without a name, so the first store into a page gives the page
a copy, and /proc/self/pagemap tells which pages have one. Guest code runs as before. Taking the
changes writes the copies to the file and lets go of them, so the file is RAM as it was then.
"""

import errno
import os
import re
import sys
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
WINDOW: Final = 2 << 20
"""Bytes of RAM that can be followed at once without the guest's waiting long."""
_PAGES: Final = WINDOW // PAGESIZE
_IN_USE: Final = re.compile(rb"[\x40-\xff]+")
_COPIED: Final = re.compile(rb"[\x40-\x5f\x80-\x9f\xc0-\xdf]+")


class DirtyPages:
    """The changes of guest RAM, for any number of those who want to know.

    A page is one of the host: ``PAGESIZE`` bytes, by the gpa where it begins. Raises
    ``PapvmmError`` on a host that doesn't tell. Whoever must not keep the guest waiting follows
    and takes changes a ``WINDOW`` at a time, which takes some 2 ms.
    """

    def __init__(self, memory: GuestMemory) -> None:
        self.size: Final = memory.size
        self._memory: Final = memory
        self._subscribers: Final[list[Changes]] = []
        self._file = -1
        self._followed: Final[set[int]] = set()
        """The windows under which the file is."""

    def subscribe(self, *, before: bool = False, everything: bool = False) -> "Changes":
        """Return what changes from now on; ``before`` says whether to keep what was there.

        With ``everything``, every page that holds anything is a change at first.
        """
        if self._file < 0:
            self._file = os.memfd_create("guest RAM")
            os.truncate(self._file, self.size)
            weakref.finalize(self, os.close, self._file)
        if not everything:
            self.collect(0, self.size)
        changes = Changes(self, before=before, everything=everything)
        self._subscribers.append(changes)
        return changes

    def unsubscribe(self, changes: "Changes") -> None:
        """Tell it of no more changes."""
        self._subscribers.remove(changes)

    def collect(self, first: int, end: int) -> None:
        """Find the pages of windows that have changed since the last time; tell all subscribers."""
        for window in range(first, end, WINDOW):
            if window not in self._followed:
                self._follow(window)
        for start, stop in self._runs(_COPIED, first, end):
            self._compare(start, stop)

    def count(self) -> int:
        """Return how many pages may have changed since they were collected last."""
        runs = self._runs(_COPIED, 0, self.size)
        return sum(-(-(stop - start) // PAGESIZE) for start, stop in runs)

    def populated(self, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of RAM, within one, that may hold anything but zeros, in order.

        To read the others would cost the host memory. A host that doesn't tell says: all.
        """
        for window in range(first - first % WINDOW, end, WINDOW):
            stop = min(window + WINDOW, self.size)
            try:
                ranges = self._populated(window, stop)
            except PapvmmError:
                ranges = [(window, stop)]
            for begin, after in ranges:
                if begin < end and first < after:
                    yield max(begin, first), min(after, end)

    def _populated(self, window: int, end: int) -> list[tuple[int, int]]:
        if window not in self._followed:
            return list(self._runs(_IN_USE, window, end))
        ranges = [(gpa, min(gpa + PAGESIZE, end)) for gpa in self.held(window)]
        return sorted((*ranges, *self._runs(_COPIED, window, end)))

    def held(self, window: int) -> Iterator[int]:
        """Yield the pages of a window that is followed which hold anything."""
        at = window
        while (at := _next_data(self._file, at)) < min(window + WINDOW, self.size):
            yield at
            at += PAGESIZE

    def _compare(self, start: int, stop: int) -> None:
        """Tell which of the copied pages differ from what they were, and let go of the copies."""
        now, then = self._memory.ram[start:stop], os.pread(self._file, stop - start, start)
        for gpa in range(start, stop, PAGESIZE):
            old = then[gpa - start : gpa - start + PAGESIZE]
            if now[gpa - start : gpa - start + PAGESIZE].tobytes() != old:
                for changes in self._subscribers:
                    changes.add(gpa, old)
        os.pwrite(self._file, now, start)
        self._memory.drop_copies(start, stop - start)

    def _follow(self, window: int) -> None:
        """Put the file, which is to hold what RAM holds, under a window of RAM."""
        end = min(window + WINDOW, self.size)
        for start, stop in self._runs(_IN_USE, window, end):
            os.pwrite(self._file, self._memory.ram[start:stop], start)
        self._memory.map_over(self._file, window, end - window)
        self._followed.add(window)

    def _runs(self, pattern: re.Pattern[bytes], first: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the ranges of RAM, within one, whose pages the host's kernel describes like that.

        None of them crosses the border of a window.
        """
        page = (self._memory.host_address + first) // PAGESIZE
        count = -(-(end - first) // PAGESIZE)
        try:
            with open(PAGEMAP, "rb", buffering=0) as pagemap:
                entries = os.pread(pagemap.fileno(), count * ENTRY, page * ENTRY)
        except OSError as error:
            raise PapvmmError(
                f"the host does not tell which pages change: {PAGEMAP}: {error.strerror}"
            ) from None
        kinds = entries[ENTRY - 1 :: ENTRY]
        for at in range(0, count, _PAGES):
            for run in pattern.finditer(kinds, at, at + _PAGES):
                start, stop = first + run.start() * PAGESIZE, first + run.end() * PAGESIZE
                yield start, min(stop, self.size)


class Changes:
    """The pages that have changed since one subscriber last took them."""

    def __init__(self, dirty_pages: DirtyPages, *, before: bool, everything: bool) -> None:
        self._dirty_pages: Final = dirty_pages
        self._keeps: Final = before
        self._pages: dict[int, bytes] = {}
        self._unseen: Final = set(range(0, dirty_pages.size, WINDOW) if everything else ())

    def add(self, gpa: int, old: bytes) -> None:
        """Note that a page has changed, and what was there, unless that is known already."""
        self._pages.setdefault(gpa, old if self._keeps else b"")

    def take(self) -> dict[int, bytes]:
        """Return the pages changed since the last time, each with what was there then.

        That is empty where the subscriber didn't want it. A page that has become again what it
        was may be among them.
        """
        self._dirty_pages.collect(0, self._dirty_pages.size)
        for window in sorted(self._unseen):
            self._add_held(window)
        pages, self._pages = self._pages, {}
        return pages

    def take_window(self, window: int) -> dict[int, bytes]:
        """Return the changed pages of the window that begins at a gpa, as ``take`` does."""
        end = min(window + WINDOW, self._dirty_pages.size)
        self._dirty_pages.collect(window, end)
        if window in self._unseen:
            self._add_held(window)
        changed = self._pages
        return {gpa: changed.pop(gpa) for gpa in range(window, end, PAGESIZE) if gpa in changed}

    def estimate(self) -> int:
        """Return about how many pages ``take`` would return, without looking into any."""
        return len(self._pages) + self._dirty_pages.count()

    def close(self) -> None:
        """Be told of no more changes."""
        self._dirty_pages.unsubscribe(self)

    def _add_held(self, window: int) -> None:
        self._unseen.remove(window)
        for gpa in self._dirty_pages.held(window):
            self.add(gpa, b"")


def _next_data(file: int, at: int) -> int:
    """Return where the data of a sparse file go on, at a place or after it; far off if nowhere."""
    try:
        return os.lseek(file, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        return sys.maxsize
