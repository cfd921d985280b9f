"""What generated code accesses directly while there are watchpoints: pages without any."""

from collections.abc import Mapping, Set
from typing import Final, Protocol, TypeVar

from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu.space import LINES, PAGE_SHIFT, Writable

T = TypeVar("T")


class Pages(Protocol):
    """The pages that a vcpu accesses in one context, by page number: a ``Space`` is one."""

    @property
    def real(self) -> Mapping[int, int]:
        """Their real addresses."""
        ...


class Unwatched(dict[int, T]):
    """Those of some known pages that have no byte watched by effective or real address.

    It is empty, and looks each page up when asked for one: pages are forgotten at any time.
    """

    def __init__(
        self, known: Mapping[int, T], pages: Pages, watched: Set[int], watched_real: Set[int]
    ) -> None:
        super().__init__()
        self._known: Final = known
        self._pages: Final = pages
        self._watched: Final = watched
        self._watched_real: Final = watched_real

    def __missing__(self, number: int) -> T:
        """Return a page; raises KeyError."""
        page = self._known[number]
        if number in self._watched or self._pages.real[number] >> PAGE_SHIFT in self._watched_real:
            raise KeyError(number)
        return page


class RealPages:
    """The pages of RAM, as real mode sees them, in the way a ``Space`` has pages."""

    def __init__(self, memory: GuestMemory) -> None:
        ram, marks, count = memory.ram, memoryview(memory.code), memory.size // PAGE
        views = [ram[n * PAGE : (n + 1) * PAGE] for n in range(count)]
        self.reads: Final[Mapping[int, memoryview]] = dict(enumerate(views))
        self.writes: Final[Mapping[int, Writable]] = {
            n: (view, marks[n * LINES : (n + 1) * LINES]) for n, view in enumerate(views)
        }
        self.real: Final[Mapping[int, int]] = {n: n * PAGE for n in range(count)}
