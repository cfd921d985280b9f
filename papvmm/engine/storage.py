"""Guest storage by effective address: every access that is out of the ordinary goes here."""

from typing import Final, Literal, NamedTuple, TypeAlias

from papvmm.bits import M64
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu.translate import Access, Translation, nothing_there

Piece: TypeAlias = tuple[int, int]
"""Real address and length."""


class Touch(NamedTuple):
    """An access to data."""

    access: Access
    ea: int


class GuestStorage:
    """Storage as one vcpu sees it in the context of an MSR: byte order and translation.

    Every method may raise ``StorageInterrupt``, and has done nothing then. Stores drop what
    engines derived from the bytes.
    """

    def __init__(
        self, memory: GuestMemory, real: Translation, translated: Translation, isa: Isa
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

    def enter(self, msr: int) -> None:
        """Access storage as ``msr`` says from now on."""
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
            self._memory.write(ra, data[:length])
            data = data[length:]

    def exchange(self, ea: int, size: int, expected: int, new: int) -> bool:
        """Replace ``expected`` by ``new``, aligned; tell whether it was there."""
        ((ra, _),) = self._pieces(ea, size, Access.STORE)
        holds = self._memory.ram[ra : ra + size] == expected.to_bytes(size, self._order)
        if holds:
            self._memory.write(ra, new.to_bytes(size, self._order))
        return holds

    def _pieces(self, ea: int, size: int, access: Access) -> tuple[Piece, ...]:
        """Translate an access: one piece, or two if it crosses a page."""
        self.touched = self.touched or Touch(access, ea)
        first = PAGE - ea % PAGE
        if size <= first:
            return (self._piece(ea, size, access),)
        following = (ea + first) & M64
        return self._piece(ea, first, access), self._piece(following, size - first, access)

    def _piece(self, ea: int, length: int, access: Access) -> Piece:
        ra = self._data_side.translate(ea, access)
        if not self._memory.holds(ra, length):
            raise nothing_there(ea, access, self._isa)
        return ra, length
