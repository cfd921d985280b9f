"""What generated code accesses directly while there are watchpoints: pages without any."""

from collections.abc import Mapping, Set
from typing import Final, TypeVar

from papvmm.engine.python.pages import Pages
from papvmm.mmu.space import PAGE_SHIFT

T = TypeVar("T")


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
