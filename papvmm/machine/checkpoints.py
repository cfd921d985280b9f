"""Moments of a guest's run that it can be put back to.

A checkpoint has the exact state, and what was in the pages of memory that were changed between
it and the next one. So RAM is put back by undoing one stretch after the other. Old checkpoints
are thinned out: the further back, the further apart they are.
"""

from typing import Final

from papvmm.errors import PapvmmError
from papvmm.machine.guest import Guest
from papvmm.machine.position import Position
from papvmm.machine.state import GuestState, capture, restore
from papvmm.memory.guest_memory import CODE_LINE, PAGE

MOST: Final = 64
"""Checkpoints kept."""
MOST_BYTES: Final = 256 << 20
"""Bytes of old pages kept, about, before checkpoints are thinned out further."""
LEAST: Final = 4
"""Checkpoints that are kept however much memory they take."""

ZEROS: Final = bytes(PAGE)


class NoHistory(PapvmmError):
    """A guest can't be put back so far."""


class Checkpoint:
    """One of them; ``pages`` and ``entries`` are what the stretch that begins there changed.

    They have the old content of pages of RAM and of the hashed page table by their addresses.
    """

    def __init__(self, position: Position, state: GuestState) -> None:
        self.position: Final = position
        self.state: Final = state
        self.pages: dict[int, bytes] = {}
        self.entries: dict[int, bytes] = {}

    @property
    def size(self) -> int:
        """Bytes of memory it takes, about."""
        return PAGE * (len(self.entries) + sum(page is not ZEROS for page in self.pages.values()))


class Checkpoints:
    """The checkpoints of one guest, oldest first; the first one stays."""

    def __init__(self, guest: Guest, position: Position) -> None:
        self._guest: Final = guest
        self._changes: Final = guest.dirty_pages.subscribe(before=True)
        self._table = _content(guest)
        """The hashed page table at the last checkpoint; empty if it was."""
        self._all: Final[list[Checkpoint]] = []
        self._append(position)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Where they are."""
        return tuple(one.position for one in self._all)

    @property
    def size(self) -> int:
        """Bytes of memory they take, about."""
        return sum(one.size for one in self._all)

    def add(self, position: Position) -> None:
        """Make one of what the guest is now."""
        self._complete(self._all[-1])
        self._append(position)
        while len(self._all) > MOST or (len(self._all) > LEAST and self.size > MOST_BYTES):
            self._thin_out()

    def go_back(self, position: Position) -> Position:
        """Put the guest back to the latest checkpoint that is not after ``position``.

        Later ones are forgotten. Return where the guest is now; NoHistory if there is none.
        """
        if position < self._all[0].position:
            raise NoHistory(f"history begins {self._all[0].position}")
        self._complete(self._all[-1])
        pages, entries = dict[int, bytes](), dict[int, bytes]()
        while True:
            last = self._all[-1]
            pages.update(last.pages)
            entries.update(last.entries)
            if last.position <= position:
                break
            self._all.pop()
        last.pages, last.entries = {}, {}
        for gpa, page in pages.items():
            self._write(gpa, page)
        for offset, part in entries.items():
            self._guest.hash_table.put_back(offset, part)
        restore(self._guest, last.state)
        self._changes.take()
        self._table = _content(self._guest)
        return last.position

    def close(self) -> None:
        """Let go of what tells of changes."""
        self._changes.close()

    def _append(self, position: Position) -> None:
        self._all.append(Checkpoint(position, capture(self._guest)))

    def _complete(self, last: Checkpoint) -> None:
        """Put into the last checkpoint what has changed since."""
        for gpa, old in self._changes.take().items():
            last.pages.setdefault(gpa, ZEROS if old == ZEROS else old)
        table = _content(self._guest)
        for offset in range(0, max(len(table), len(self._table)), PAGE):
            old = self._table[offset : offset + PAGE] or ZEROS
            if old != (table[offset : offset + PAGE] or ZEROS):
                last.entries.setdefault(offset, old)
        self._table = table

    def _thin_out(self) -> None:
        """Let go of the one that is missed least: the gap without it is small for its age."""
        now = self._all[-1].position.icount + 1

        def gap(index: int) -> float:
            before, after = self._all[index - 1].position, self._all[index + 1].position
            return (after.icount - before.icount) / (now - before.icount)

        index = min(range(1, len(self._all) - 1), key=gap)
        before, gone = self._all[index - 1], self._all.pop(index)
        before.pages = gone.pages | before.pages
        before.entries = gone.entries | before.entries

    def _write(self, gpa: int, page: bytes) -> None:
        """Put a page back; of one that code was derived from, only what differs."""
        memory = self._guest.memory
        first = gpa // CODE_LINE
        if not memory.code[first : first + len(page) // CODE_LINE].strip(b"\0"):
            memory.write(gpa, page)
            return
        for offset in range(0, len(page), CODE_LINE):
            line = page[offset : offset + CODE_LINE]
            if line != memory.read(gpa + offset, len(line)):
                memory.write(gpa + offset, line)


def _content(guest: Guest) -> bytes:
    """Return a copy of the hashed page table; guests that use none have nothing to copy."""
    return b"" if guest.hash_table.is_empty else bytes(guest.hash_table.content)
