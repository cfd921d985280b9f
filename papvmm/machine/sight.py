"""Guest storage as somebody outside sees it through a vcpu: looking changes nothing.

Addresses mean what they mean to the vcpu's loads, but no access is refused, no reference or
change bit is set, and nothing of it is remembered.
"""

from collections.abc import Iterator
from typing import Final

from papvmm.bits import M64
from papvmm.isa import slb
from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import LPCR, LPCR_HR, MSR, PID, PROCESS_TABLE, SLB_ESID, SLB_VSID, ArchState
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu import hashed, radix
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.hashed import Segment
from papvmm.mmu.translate import REAL_MODE_BITS


class Sight:
    """What a vcpu with these registers sees of RAM."""

    def __init__(self, state: ArchState, memory: GuestMemory, hash_table: HashTable) -> None:
        self._state: Final = state
        self._memory: Final = memory
        self._table: Final = hash_table

    def real_address(self, ea: int) -> int | None:
        """Return the real address of the byte at ``ea``, in RAM or not; None if it has none.

        It is translated if either loads or fetches are.
        """
        state = self._state
        if not state.read(MSR) & (MSR_DR | MSR_IR):
            return ea & REAL_MODE_BITS
        return self._by_radix(ea) if state.read(LPCR) & LPCR_HR else self._by_hash(ea)

    def read(self, ea: int, length: int) -> bytes:
        """Return the bytes at ``ea``, as many of ``length`` as there are before the first gap."""
        pieces = self._pieces(ea, length)
        return b"".join(self._memory.read(ra, size) for ra, size in pieces)

    def write(self, ea: int, data: bytes) -> bool:
        """Put bytes at ``ea``; return False, with nothing done, if some have no place in RAM."""
        pieces = list(self._pieces(ea, len(data)))
        if sum(size for _, size in pieces) < len(data):
            return False
        at = 0
        for ra, size in pieces:
            self._memory.write(ra, data[at : at + size])
            at += size
        return True

    def _pieces(self, ea: int, length: int) -> Iterator[tuple[int, int]]:
        """Yield real addresses and lengths, page by page, up to the first gap."""
        while length > 0:
            size = min(length, PAGE - ea % PAGE)
            ra = self.real_address(ea)
            if ra is None or not self._memory.holds(ra, 1):
                return
            size = min(size, self._memory.size - ra)
            yield ra, size
            ea, length = ea + size & M64, length - size

    def _by_radix(self, ea: int) -> int | None:
        state = self._state
        if not radix.in_range(ea):
            return None
        try:
            leaf = radix.find(self._memory, state.read(PROCESS_TABLE), state.read(PID), ea)
        except radix.WalkFailed:
            return None
        return leaf.real(ea)

    def _by_hash(self, ea: int) -> int | None:
        segment = self._segment(ea)
        if segment is None or not segment.base:
            return None
        entry = self._table.find(segment, self._table.home_of(segment, ea))
        return None if entry is None else hashed.real(entry.r, entry.shift, ea)

    def _segment(self, ea: int) -> Segment | None:
        """Return the segment that an address is in; the first of two counts."""
        state = self._state
        for index in range(slb.ENTRIES):
            esid = state.read(SLB_ESID, index)
            if esid & slb.VALID:
                segment = hashed.segment(state.read(SLB_VSID, index))
                if esid >> segment.shift == ea >> segment.shift:
                    return segment
        return None
