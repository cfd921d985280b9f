"""The pages that the Python engine knows: a context's, or those of RAM as real mode sees it."""

from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeVar

from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.space import LINES, PAGE_SHIFT, Writable
from papvmm.mmu.translate import REAL_MODE_BITS

T = TypeVar("T")


class Pages(Protocol):
    """The pages that a vcpu accesses in one context, by page number: a ``Space`` is one."""

    @property
    def reads(self) -> Mapping[int, memoryview]:
        """What loads or fetches may access."""
        ...

    @property
    def writes(self) -> Mapping[int, Writable]:
        """What stores may access."""
        ...

    @property
    def real(self) -> Mapping[int, int]:
        """Their real addresses."""
        ...

    @property
    def generation(self) -> int:
        """What changes whenever a page is forgotten."""
        ...


class RealPages:
    """RAM as real mode sees it, which ignores the highest bits of an address.

    Linux runs for a while at the addresses it is linked at with translation off.
    """

    def __init__(self, memory: GuestMemory) -> None:
        self._memory: Final = memory
        self._marks: Final = memoryview(memory.code)
        self.reads: Final[Mapping[int, memoryview]] = _Found(self._view)
        self.writes: Final[Mapping[int, Writable]] = _Found(self._writable)
        self.real: Final[Mapping[int, int]] = _Found(self._page)
        self.generation: Final = 0

    def _page(self, number: int) -> int:
        page = number << PAGE_SHIFT & REAL_MODE_BITS
        if not self._memory.holds(page, PAGE):
            raise KeyError(number)
        return page

    def _view(self, number: int) -> memoryview:
        page = self.real[number]
        return self._memory.ram[page : page + PAGE]

    def _writable(self, number: int) -> Writable:
        first = self.real[number] // CODE_LINE
        return self.reads[number], self._marks[first : first + LINES]


class _Found(dict[int, T]):
    """What was found before, and is found when it is asked for; raises KeyError."""

    def __init__(self, find: Callable[[int], T]) -> None:
        super().__init__()
        self._find: Final = find

    def __missing__(self, number: int) -> T:
        value = self[number] = self._find(number)
        return value
