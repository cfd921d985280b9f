"""What is known of a guest's radix trees: translations, until the tables they follow from change.

The lines of RAM that translations follow from are marked, and whoever writes one has them
forgotten: see ``Space``.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu import radix
from papvmm.mmu.space import LINES, PAGE_SHIFT, PAGES, SPACES, Space
from papvmm.mmu.translate import Access, no_segment, refused

CODE_TABLE: Final = 64
"""The mark in ``GuestMemory.code`` of a line that translations follow from."""
CODE_TABLE_NEAR: Final = 128
"""The mark of all lines of pages that held such lines once, and of the line before.

That says to engines that a store which begins there may cross into a line that is marked, and
keeps them from treating the page as one whose stores nobody has to notice.
"""

ENTRY: Final = 8
"""Bytes of a page table entry."""

Covered: TypeAlias = tuple[int, int, int]
"""What a last directory covers: process table, PID, and the address bits that it has in common."""


class SpaceKey(NamedTuple):
    """What translations depend on besides the tables in RAM."""

    process_table: int
    pid: int
    problem_state: int
    keys: int
    """AMR bits 0:1, or those of IAMR for fetches; 0 in problem state."""
    fetches: int


class RadixSpace(Space):
    """The pages that are known in one context, which other vcpus of the guest may be in, too."""

    def __init__(self, tables: "PageTables", key: SpaceKey) -> None:
        super().__init__(tables.memory, is_for_fetches=bool(key.fetches))
        self._tables: Final = tables
        self.key: Final = key

    def _find(self, ea: int, access: Access) -> int:
        return self._tables.find(self, ea, access)

    def _foresee(self, ea: int, access: Access) -> int:
        return self._tables.foresee(self.key, ea, access).real(ea)

    def locate(self, ea: int) -> int:  # noqa: D102 - see ``Space``
        return self._tables.locate(self.key, ea)


class PageTables:
    """The translations of one guest, which its vcpus share."""

    def __init__(self, memory: GuestMemory) -> None:
        self.memory: Final = memory
        self._spaces: Final[dict[tuple[int, ...], RadixSpace]] = {}
        self._directories: Final[dict[Covered, radix.Directory]] = {}
        """The last directories of walks."""
        self._leaves: Final[dict[int, set[tuple[RadixSpace, int]]]] = {}
        """The pages that follow from the leaf at an address."""
        self._below: Final[dict[int, set[int]]] = {}
        """The entries, by address, of what an entry leads to: those that walks came through."""
        self._covered: Final[dict[int, set[Covered]]] = {}
        """What the last directories cover that an entry leads to."""
        self._on_line: Final[dict[int, set[int]]] = {}
        """The entries on a line, by address."""
        self.on_forget: Final[list[Callable[[Space | None, int], None]]] = []
        """Called when what a page leads to is forgotten, with its space and number.

        Without a space, all pages are.
        """
        self.on_mark: Final[list[Callable[[], None]]] = []
        """Called when pages, whose stores went unnoticed before, were marked."""
        memory.on_code_write(self._wrote)

    def space(self, *key: int) -> RadixSpace:
        """Return what is known in a context, by the fields of ``SpaceKey``."""
        space = self._spaces.get(key)
        if space is None:
            if len(self._spaces) == SPACES:
                self._forget_all()
                self._spaces.clear()
            space = self._spaces[key] = RadixSpace(self, SpaceKey(*key))
        return space

    def find(self, space: RadixSpace, ea: int, access: Access) -> int:
        """Do what ``Space.translate`` does for a page that is not known."""
        leaf = radix.record(self.memory, self.foresee(space.key, ea, access), access)
        ra = leaf.real(ea)
        if self.memory.holds(ra & -PAGE, PAGE):
            self._learn(space, ea >> PAGE_SHIFT, leaf, ra & -PAGE)
        return ra

    def foresee(self, key: SpaceKey, ea: int, access: Access) -> radix.Leaf:
        """Return the leaf for an access, not yet recorded there; raises ``StorageInterrupt``."""
        leaf = self._find_leaf(key, ea, access)
        causes = _refusal(key, leaf, access)
        if causes:
            raise refused(ea, access, causes)
        return leaf

    def locate(self, key: SpaceKey, ea: int) -> int:
        """Do what ``Space.locate`` does."""
        return self._find_leaf(key, ea, Access.LOAD).real(ea)

    def _find_leaf(self, key: SpaceKey, ea: int, access: Access) -> radix.Leaf:
        if not radix.in_range(ea):
            raise no_segment(ea, access)
        try:
            return self._leaf(key, ea)
        except radix.WalkFailed as failure:
            raise refused(ea, access, failure.causes) from None

    def _leaf(self, key: SpaceKey, ea: int) -> radix.Leaf:
        """Find a leaf, from the directory on that walks near there came to before."""
        pid = 0 if ea & radix.QUADRANT else key.pid
        where = (key.process_table, pid, ea >> radix.DIRECTORY_SHIFT)
        directory = self._directories.get(where)
        if directory is not None:
            return radix.look_into(self.memory, directory, ea, is_last=True)
        leaf = radix.find(self.memory, key.process_table, key.pid, ea)
        if leaf.shift < radix.DIRECTORY_SHIFT:
            if len(self._directories) == PAGES:
                self._forget_all()
            self._directories[where] = leaf.directory
            self._covered.setdefault(leaf.directory.above[-1], set()).add(where)
        self._watch_above(leaf)
        return leaf

    def _learn(self, space: RadixSpace, number: int, leaf: radix.Leaf, page: int) -> None:
        """Remember where a page is, and what the leaf allows there without further ado."""
        if len(space.real) == PAGES:
            self._forget_all()
        read = Access.FETCH if space.is_for_fetches else Access.LOAD
        is_changed = bool(leaf.entry & radix.CHANGED)
        space.learn(
            number,
            page,
            is_readable=not _refusal(space.key, leaf, read),
            is_writable=is_changed and not _refusal(space.key, leaf, Access.STORE),
        )
        self._leaves.setdefault(leaf.gpa, set()).add((space, number))
        self._watch(leaf.gpa)
        self._watch_above(leaf)

    # What is forgotten, and when.

    def _watch_above(self, leaf: radix.Leaf) -> None:
        """Notice when an entry that leads to a leaf is written."""
        above = leaf.directory.above
        for gpa, below in zip(above, (*above[1:], leaf.gpa), strict=True):
            entries = self._below.get(gpa)
            if entries is None:
                entries = self._below[gpa] = set()
                self._watch(gpa)
            entries.add(below)

    def _watch(self, gpa: int) -> None:
        """Notice when an entry is written."""
        line = gpa // CODE_LINE
        entries = self._on_line.get(line)
        if entries is None:
            entries = self._on_line[line] = set()
            code, first = self.memory.code, line - line % LINES
            if not code[first] & CODE_TABLE_NEAR:
                self._mark_page(first)
            code[line] |= CODE_TABLE
        entries.add(gpa)

    def _mark_page(self, first: int) -> None:
        code = self.memory.code
        for line in range(max(first - 1, 0), min(first + LINES, len(code))):
            code[line] |= CODE_TABLE_NEAR
        for listener in self.on_mark:
            listener()

    def _wrote(self, gpa: int, length: int) -> None:
        """Forget what follows from these bytes, which have changed."""
        end = gpa + length
        written = [
            entry
            for line in _lines(self._on_line, gpa, end)
            for entry in self._on_line[line]
            if gpa - ENTRY < entry < end
        ]
        for entry in written:
            self._forget_below(entry)

    def release(self, gpa: int) -> bool:
        """Forget what follows from the line of a leaf before it is stored to.

        False if there is no leaf, or more on the line than leaves: the store is to be noticed.
        """
        if gpa & -ENTRY not in self._leaves:
            return False
        entries = self._on_line[gpa // CODE_LINE]
        if not self._below.keys().isdisjoint(entries):
            return False
        for entry in tuple(entries):
            self._forget_leaf(entry)
        return True

    def _forget_below(self, gpa: int) -> None:
        """Forget all that follows from an entry, which may be a leaf, lead to some, or both."""
        entries = [gpa]
        while entries:
            entry = entries.pop()
            entries += self._below.pop(entry, ())
            for covered in self._covered.pop(entry, ()):
                self._directories.pop(covered, None)
            if entry in self._leaves:
                self._forget_leaf(entry)
            else:
                self._unwatch(entry)

    def _forget_leaf(self, gpa: int) -> None:
        for space, number in self._leaves.pop(gpa):
            space.forget(number)
            for listener in self.on_forget:
                listener(space, number)
        self._unwatch(gpa)

    def _unwatch(self, gpa: int) -> None:
        line = gpa // CODE_LINE
        entries = self._on_line.get(line, set())
        entries.discard(gpa)
        if line in self._on_line and not entries:
            self._unmark(line)

    def _forget_all(self) -> None:
        for space in self._spaces.values():
            space.forget_all()
        self._leaves.clear()
        self._below.clear()
        self._covered.clear()
        self._directories.clear()
        for line in list(self._on_line):
            self._unmark(line)
        for listener in self.on_forget:
            listener(None, 0)

    def _unmark(self, line: int) -> None:
        del self._on_line[line]
        self.memory.code[line] &= ~CODE_TABLE


def _refusal(key: SpaceKey, leaf: radix.Leaf, access: Access) -> int:
    return radix.refusal(leaf.entry, access, key.keys, problem_state=bool(key.problem_state))


def _lines(known: dict[int, set[int]], gpa: int, end: int) -> list[int]:
    """Return the lines of these bytes that are known."""
    first, last = gpa // CODE_LINE, (end - 1) // CODE_LINE
    if last - first < len(known):
        return [line for line in range(first, last + 1) if line in known]
    return [line for line in known if first <= line <= last]
