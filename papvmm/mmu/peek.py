"""Where an effective address leads, for those who look on from outside: nothing changes by it.

What a vcpu itself may do there is not asked, and no reference bit is set.
"""

from papvmm.isa import slb
from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import LPCR, LPCR_HR, MSR, PID, PROCESS_TABLE, SLB_VSID, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu import hashed, radix
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.translate import REAL_MODE_BITS


def peek(state: ArchState, memory: GuestMemory, hash_table: HashTable, ea: int) -> int | None:
    """Return the real address of the byte at ``ea``, which holds to the end of its ``PAGE``.

    It may be outside RAM; None if the guest's tables lead nowhere.
    """
    if not state.read(MSR) & (MSR_DR | MSR_IR):
        return ea & REAL_MODE_BITS
    if state.read(LPCR) & LPCR_HR:
        return _by_tree(state, memory, ea)
    return _by_hash(state, hash_table, ea)


def _by_tree(state: ArchState, memory: GuestMemory, ea: int) -> int | None:
    if not radix.in_range(ea):
        return None
    try:
        leaf = radix.find(memory, state.read(PROCESS_TABLE), state.read(PID), ea)
    except radix.WalkFailed:
        return None
    return leaf.real(ea)


def _by_hash(state: ArchState, hash_table: HashTable, ea: int) -> int | None:
    index = slb.find(state, ea)
    if index is None:
        return None
    segment = hashed.segment(state.read(SLB_VSID, index))
    if not segment.base:
        return None
    entry = hash_table.find(segment, hash_table.home_of(segment, ea))
    return None if entry is None else hashed.real(entry.r, entry.shift, ea)
