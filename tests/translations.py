"""What an MMU makes of accesses: for tests of either kind of page tables."""

import pytest

from papvmm.isa.interrupts import Interrupt
from papvmm.mmu.mmu import Mmu
from papvmm.mmu.translate import Access, StorageInterrupt
from tests.naive_radix import SEGMENT

SEGMENTS = (Interrupt.DATA_SEGMENT, Interrupt.INSTRUCTION_SEGMENT)


class Translating:
    """Something with an ``mmu``."""

    mmu: Mmu

    def real(self, ea, access=Access.LOAD):
        return self.mmu.translate(ea, access)

    def interrupt(self, ea, access=Access.LOAD):
        with pytest.raises(StorageInterrupt) as caught:
            self.mmu.translate(ea, access)
        fault = caught.value
        assert fault.ea == ea
        return fault.interrupt, fault.dsisr if access is not Access.FETCH else fault.srr1

    def causes(self, ea, access=Access.LOAD):
        return self.interrupt(ea, access)[1]


def answer(mmu, ea, access):
    """Return the real address, SEGMENT for that interrupt, or causes in hexadecimal."""
    try:
        return mmu.translate(ea, access)
    except StorageInterrupt as fault:
        if fault.interrupt in SEGMENTS:
            return SEGMENT
        return f"{fault.srr1 if fault.dsisr is None else fault.dsisr:#x}"
