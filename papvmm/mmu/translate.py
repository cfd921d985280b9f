"""Address translation, as engines see it: from an effective address to a real one."""

from enum import Enum, auto
from typing import Final, NamedTuple, Protocol

from papvmm.isa.interrupts import Interrupt
from papvmm.isa.versions import Isa

REAL_MODE_BITS: Final = (1 << 60) - 1
"""In real addressing mode EA bits 0:3 are ignored (Power ISA v3.0B, Book III, 5.7.3)."""

NO_TRANSLATION: Final = 0x4000_0000
"""No page table entry was found: DSISR bit 33, and the same bit of SRR1 for a fetch."""
NO_EXECUTE: Final = 0x1000_0000
"""SRR1 bit 35: the page is not to be executed, or guarded."""
PROTECTED: Final = 0x0800_0000
"""DSISR bit 36: the page table entry does not allow the access; of SRR1 with hashed tables."""
KEY_PROTECTED: Final = 0x0020_0000
"""DSISR and SRR1 bit 42: AMR or IAMR do not allow the access."""
BAD_TREE: Final = 0x0008_0000
"""DSISR and SRR1 bit 44: the processor has no such radix tree."""
BAD_TABLE: Final = 0x0002_0000
"""DSISR and SRR1 bit 46: the tables themselves could not be read."""
DSISR_STORE: Final = 0x0200_0000
SRR1_DATA_SIDE: Final = 0x0020_0000
"""SRR1 bit 42 of a machine check: an access to data caused it, and DSISR tells more."""


class Status(NamedTuple):
    """What a machine check says of a real address where there is no memory."""

    dsisr: int
    srr1_fetch: int


BAD_REAL_ADDRESS: Final = {
    Isa.V2_07: Status(0x8000, 0x0004_0000),
    Isa.V3_0: Status(0x0040, 0x080C_0000),
    Isa.V3_1: Status(0x0040, 0x080C_0000),
}
"""POWER8 says that what it read could not be corrected, later ones that nothing answers there."""


class Access(Enum):
    """What storage is accessed for."""

    LOAD = auto()
    STORE = auto()
    FETCH = auto()


class StorageInterrupt(Exception):
    """A storage access at ``ea`` ends in an interrupt, with ``srr1`` among its causes there.

    ``dsisr`` is None for a fetch, which changes neither DAR nor DSISR, and for a data segment
    interrupt, which changes DAR only.
    """

    def __init__(
        self, interrupt: Interrupt, ea: int, *, dsisr: int | None = None, srr1: int = 0
    ) -> None:
        super().__init__(interrupt, ea)
        self.interrupt: Final = interrupt
        self.ea: Final = ea
        self.dsisr: Final = dsisr
        self.srr1: Final = srr1

    @property
    def sets_dar(self) -> bool:
        """Tell whether DAR holds ``ea`` afterwards."""
        return self.dsisr is not None or self.interrupt is Interrupt.DATA_SEGMENT


class Translation(Protocol):
    """One way to translate: real mode, or through some kind of page table."""

    def translate(self, ea: int, access: Access) -> int:
        """Return the real address of the byte at ``ea``; it holds to the end of its ``PAGE``.

        Raises ``StorageInterrupt`` if there is none or the access is not allowed.
        """
        ...

    def peek(self, ea: int, access: Access) -> int:
        """Return, or raise, what ``translate`` would; but record no access."""
        ...

    def locate(self, ea: int) -> int:
        """Return the real address of the byte at ``ea``, whoever may access it: a debugger's way.

        Raises ``StorageInterrupt`` if there is none.
        """
        ...


class RealMode:
    """Translation is off."""

    def translate(self, ea: int, access: Access) -> int:  # noqa: ARG002
        """Return ``ea`` without the bits that real mode ignores."""
        return ea & REAL_MODE_BITS

    peek = translate

    def locate(self, ea: int) -> int:
        """Return what ``translate`` does."""
        return ea & REAL_MODE_BITS


class NoPageTable:
    """Translation is on, and there is nothing to translate with: nothing is found."""

    def translate(self, ea: int, access: Access) -> int:
        """Raise the interrupt for a page table search without result."""
        raise not_found(ea, access)

    peek = translate

    def locate(self, ea: int) -> int:
        """Raise the interrupt for a page table search without result."""
        raise not_found(ea, Access.LOAD)


def not_found(ea: int, access: Access) -> StorageInterrupt:
    """Return the interrupt for an address without a page table entry."""
    return refused(ea, access, NO_TRANSLATION)


def refused(ea: int, access: Access, causes: int) -> StorageInterrupt:
    """Return the storage interrupt with these causes, bits of DSISR or SRR1."""
    if access is Access.FETCH:
        return StorageInterrupt(Interrupt.INSTRUCTION_STORAGE, ea, srr1=causes)
    dsisr = causes | (DSISR_STORE if access is Access.STORE else 0)
    return StorageInterrupt(Interrupt.DATA_STORAGE, ea, dsisr=dsisr)


def no_segment(ea: int, access: Access) -> StorageInterrupt:
    """Return the interrupt for an address that is in no segment, or out of a tree's range."""
    fetch = access is Access.FETCH
    return StorageInterrupt(Interrupt.INSTRUCTION_SEGMENT if fetch else Interrupt.DATA_SEGMENT, ea)


def nothing_there(ea: int, access: Access, isa: Isa) -> StorageInterrupt:
    """Return the interrupt for a real address where there is no memory: a machine check."""
    status = BAD_REAL_ADDRESS[isa]
    if access is Access.FETCH:
        return StorageInterrupt(Interrupt.MACHINE_CHECK, ea, srr1=status.srr1_fetch)
    return StorageInterrupt(Interrupt.MACHINE_CHECK, ea, dsisr=status.dsisr, srr1=SRR1_DATA_SIDE)


def misaligned(ea: int) -> StorageInterrupt:
    """Return the interrupt for an operand that is not aligned as it must be.

    POWER9 says nothing about the instruction in DSISR.
    """
    return StorageInterrupt(Interrupt.ALIGNMENT, ea, dsisr=0)
