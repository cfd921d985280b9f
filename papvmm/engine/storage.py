"""Guest storage by effective address: every access that is out of the ordinary goes here."""

from collections.abc import Callable, Collection
from typing import Final, Literal, NamedTuple, TypeAlias

from papvmm.bits import M64
from papvmm.engine.watch import Watch, Watched
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu.translate import Access, StorageInterrupt, Translation, nothing_there

Piece: TypeAlias = tuple[int, int]
"""Address and length."""
Translate: TypeAlias = Callable[[int, Access], int]


class Touch(NamedTuple):
    """An access to data."""

    access: Access
    ea: int


class GuestStorage:
    """Storage as one vcpu sees it in the context of an MSR: byte order and translation.

    Every method may raise ``StorageInterrupt``, or ``Watched`` if one of the ``watches`` is for
    what it does, and has done nothing then. Stores drop what engines derived from the bytes.
    """

    def __init__(
        self,
        memory: GuestMemory,
        real: Translation,
        translated: Translation,
        isa: Isa,
        watches: Collection[Watch] = (),
    ) -> None:
        self._memory: Final = memory
        self._isa: Final = isa
        self._real: Final = real
        self._translated: Final = translated
        self._order: Literal["little", "big"] = "big"
        self._instruction_side = real
        self._data_side = real
        self.touched: Touch | None = None
        """The first access to data since ``enter``: what it was for, and where."""
        self._watches: Final = watches
        self._heeds = False
        self._replaced: Final[list[tuple[int, bytes]]] = []
        """What the stores since ``enter`` replaced, while there are watches."""

    def enter(self, msr: int, *, heeds: bool) -> None:
        """Access storage as ``msr`` says from now on; perhaps watches are to be heeded."""
        self._heeds = heeds and bool(self._watches)
        if self._replaced:
            self._replaced.clear()
        self._order = "little" if msr & MSR_LE else "big"
        self._instruction_side = self._translated if msr & MSR_IR else self._real
        self._data_side = self._translated if msr & MSR_DR else self._real
        self.touched = None

    def fetch(self, cia: int) -> int:
        """Return an instruction word."""
        ra = self._instruction_side.translate(cia, Access.FETCH)
        if not self._memory.holds(ra, 4):
            raise nothing_there(cia, Access.FETCH, self._isa)
        return int.from_bytes(self._memory.ram[ra : ra + 4], self._order)

    def load(self, ea: int, size: int) -> int:
        """Return ``size`` bytes as a number."""
        ram = self._memory.ram
        data = b"".join(
            [ram[ra : ra + length] for ra, length in self._pieces(ea, size, Access.LOAD)]
        )
        return int.from_bytes(data, self._order)

    def store(self, ea: int, size: int, value: int) -> None:
        """Write ``size`` bytes."""
        data = value.to_bytes(size, self._order)
        for ra, length in self._pieces(ea, size, Access.STORE):
            if self._heeds:
                self._replaced.append((ra, self._memory.read(ra, length)))
            self._memory.write(ra, data[:length])
            data = data[length:]

    def undo(self) -> None:
        """Take back all stores since ``enter``: a later access turned out to be watched."""
        while self._replaced:
            self._memory.write(*self._replaced.pop())

    def exchange(self, ea: int, size: int, expected: int, new: int) -> bool:
        """Replace ``expected`` by ``new``, aligned; tell whether it was there."""
        ((ra, _),) = self._pieces(ea, size, Access.STORE)
        holds = self._memory.ram[ra : ra + size] == expected.to_bytes(size, self._order)
        if holds:
            self._memory.write(ra, new.to_bytes(size, self._order))
        return holds

    def _pieces(self, ea: int, size: int, access: Access) -> tuple[Piece, ...]:
        """Translate an access: one piece, or two if it crosses a page."""
        if self._heeds:
            self._heed(ea, size, access)
        self.touched = self.touched or Touch(access, ea)
        return self._split(ea, size, access, self._data_side.translate)

    def _heed(self, ea: int, size: int, access: Access) -> None:
        """Raise ``Watched`` if an access is about to be made to watched bytes."""
        watches = [watch for watch in self._watches if watch.heeds(access)]
        split = _within_pages(ea, size)
        if not any(watch.real or watch.touches(*part) for watch in watches for part in split):
            return
        try:
            pieces = self._split(ea, size, access, self._data_side.peek)
        except StorageInterrupt:
            return
        for watch in watches:
            if any(watch.touches(*part) for part in (pieces if watch.real else split)):
                raise Watched(watch, ea, size, access)

    def _split(self, ea: int, size: int, access: Access, translate: Translate) -> tuple[Piece, ...]:
        if ea % PAGE + size <= PAGE:
            return (self._piece(ea, size, access, translate),)
        return tuple(
            self._piece(part, length, access, translate) for part, length in _within_pages(ea, size)
        )

    def _piece(self, ea: int, length: int, access: Access, translate: Translate) -> Piece:
        ra = translate(ea, access)
        if not self._memory.holds(ra, length):
            raise nothing_there(ea, access, self._isa)
        return ra, length


def _within_pages(ea: int, size: int) -> tuple[Piece, ...]:
    """Return the parts of an access: one, or two if it crosses a page."""
    first = PAGE - ea % PAGE
    if size <= first:
        return ((ea, size),)
    return (ea, first), ((ea + first) & M64, size - first)
