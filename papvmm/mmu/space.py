"""What is known of the pages that a vcpu accesses in one context, until it is to be forgotten.

A processor may keep translations that its tables no longer hold until it is told to forget
them. papvmm never does: whatever changes what a page follows from has that page forgotten. So a
guest sees the same in every engine, and after every save and restore; reference and change bits
are exact, and there is nothing that tlbie could add.
"""

from abc import ABC, abstractmethod
from typing import Final, TypeAlias

from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.translate import Access

PAGE_SHIFT: Final = PAGE.bit_length() - 1
LINES: Final = PAGE // CODE_LINE
SPACES: Final = 64
"""Spaces known at a time; when there are more, all go."""
PAGES: Final = 1 << 16
"""Pages known in a space at a time."""

Writable: TypeAlias = tuple[memoryview, memoryview]
"""A page of RAM, and its marks."""


class Space(ABC):
    """The pages that are known in one context of a vcpu, by page number of the address.

    ``reads`` are what loads may access, or fetches in a space for these (``is_for_fetches``).
    """

    def __init__(self, memory: GuestMemory, *, is_for_fetches: bool) -> None:
        self.memory: Final = memory
        self.is_for_fetches: Final = is_for_fetches
        self.reads: Final[dict[int, memoryview]] = {}
        self.writes: Final[dict[int, Writable]] = {}
        self._marks: Final = memoryview(memory.code)
        self.real: Final[dict[int, int]] = {}
        """Real addresses of the pages."""
        self.generation = 0
        """Changes whenever a page is forgotten."""

    def translate(self, ea: int, access: Access) -> int:
        """Return the real address of the byte at ``ea``; raises ``StorageInterrupt``.

        The page is known afterwards, if it is in RAM.
        """
        number = ea >> PAGE_SHIFT
        known = self.writes if access is Access.STORE else self.reads
        if number in known:
            return self.real[number] | ea & PAGE - 1
        return self._find(ea, access)

    def peek(self, ea: int, access: Access) -> int:
        """Return, or raise, what ``translate`` would; but record no access."""
        number = ea >> PAGE_SHIFT
        if number in (self.writes if access is Access.STORE else self.reads):
            return self.real[number] | ea & PAGE - 1
        return self._foresee(ea, access)

    @abstractmethod
    def locate(self, ea: int) -> int:
        """Return the real address of the byte at ``ea``, whoever may access it.

        Raises ``StorageInterrupt`` if there is none.
        """

    @abstractmethod
    def _find(self, ea: int, access: Access) -> int:
        """Do so by what the guest's tables say, and know the page."""

    @abstractmethod
    def _foresee(self, ea: int, access: Access) -> int:
        """Do so by what the guest's tables say, and change nothing."""

    def learn(self, number: int, page: int, *, is_readable: bool, is_writable: bool) -> None:
        """Remember where a page of RAM is, and what can be done there without further ado."""
        view = self.memory.ram[page : page + PAGE]
        self.real[number] = page
        if is_readable:
            self.reads[number] = view
        if is_writable and not self.is_for_fetches:
            first = page // CODE_LINE
            self.writes[number] = (view, self._marks[first : first + LINES])

    def forget(self, number: int) -> None:
        """Forget a page."""
        self.reads.pop(number, None)
        self.writes.pop(number, None)
        self.real.pop(number, None)
        self.generation += 1

    def forget_all(self) -> None:
        """Forget all pages."""
        self.reads.clear()
        self.writes.clear()
        self.real.clear()
        self.generation += 1
