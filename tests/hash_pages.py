"""SLB entries and hashed page table entries as a guest makes them."""

from papvmm.isa.state import SLB_ESID, SLB_VSID

SMALL_256M, LARGE_1T = 0, 1
"""B: the sizes of segments."""
KS, KP, N, C = 0x800, 0x400, 0x200, 0x80
L_LP = {12: 0, 16: 0x110, 24: 0x100}
"""Base page sizes in SLB entries."""
LP = {(12, 12): 0, (12, 16): 7, (12, 24): 0x38, (16, 16): 1, (16, 24): 8, (24, 24): 0}
"""Base and actual page sizes in page table entries."""
VALID, SECONDARY, LARGE, BOLTED = 1, 2, 4, 0x10
PP_RW, PP_READ, NO_EXECUTE, GUARDED, M, CHANGED, REFERENCED = 2, 3, 4, 8, 0x10, 0x80, 0x100
PP0 = 1 << 63


def rb(ea, index=0, size=SMALL_256M):
    """RB of slbmte for the segment that an address is in."""
    shift = 40 if size else 28
    return ea >> shift << shift | 1 << 27 | index


def rs(vsid, base=12, size=SMALL_256M, flags=0):
    """RS of slbmte."""
    return size << 62 | vsid << (24 if size else 12) | L_LP[base] | flags


def key(number):
    """A virtual page class key as page table entries have it."""
    return (number >> 3) << 60 | (number & 7) << 9


class Page:
    """Where a page's entry goes, and what it is."""

    def __init__(self, vsid, ea, ra, *, base=12, actual=None, size=SMALL_256M, low=M | PP_RW):
        actual = actual or base
        offset = ea % (1 << (40 if size else 28))
        self.hash = (vsid ^ vsid << 25 if size else vsid) ^ offset >> base
        va = vsid << (40 if size else 28) | offset >> base << base
        self.v = size << 62 | va >> 23 << 7 | VALID | (LARGE if actual > 12 else 0)
        self.r = ra >> actual << actual | LP[base, actual] << 12 | low

    def group(self, groups, *, secondary=False):
        return (~self.hash if secondary else self.hash) % groups


class Guest:
    """A vcpu with an SLB, and the table that it translates by."""

    def __init__(self, state, table):
        self.state, self.table = state, table
        self.groups = table.slots // 8

    def segment(self, ea, vsid, *, index=0, **how):
        size = how.get("size", SMALL_256M)
        self.state.write(SLB_ESID, rb(ea, 0, size), index)
        self.state.write(SLB_VSID, rs(vsid, **how), index)

    def map(self, vsid, ea, ra, *, secondary=False, **how):
        """Enter a page's entry, and return its slot."""
        page = Page(vsid, ea, ra, **how)
        slot = self.table.free_slot(8 * page.group(self.groups, secondary=secondary))
        self.table.enter(slot, page.v | (SECONDARY if secondary else 0), page.r)
        return slot
