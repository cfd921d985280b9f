"""The segment lookaside buffer: what its entries hold (Power ISA v3.0B, Book III, 5.7.6).

An entry is two doublewords: RB of slbmte without the index, and RS.
"""

from typing import Final

from papvmm.bits import ones
from papvmm.isa.state import SLB_ESID, SLB_VSID, ArchState

ENTRIES: Final = SLB_ESID.count
INDEX: Final = 0xFFF
"""Bits 52:63 of RB, of which as many count as tell entries apart."""

ESID: Final = ones(36) << 28
VALID: Final = 1 << 27
"""The first doubleword: the segment's effective address, and V."""

SIZE: Final = 3 << 62
SIZE_1T: Final = 1 << 62
VSID: Final = ones(50) << 12
KS: Final = 0x800
KP: Final = 0x400
NO_EXECUTE: Final = 0x200
LARGE: Final = 0x100
CLASS: Final = 0x80
LARGE_PAGE: Final = 0x30
"""The second one: B, VSID, what keys problem and privileged state have, N, L, C and LP."""
KEPT: Final = SIZE | VSID | KS | KP | NO_EXECUTE | LARGE | CLASS | LARGE_PAGE

SHIFT_256M: Final = 28
SHIFT_1T: Final = 40
"""Logs of the sizes of segments."""


def shift(vsid: int) -> int:
    """Return the log of the size of the segment of an entry with this second doubleword."""
    return SHIFT_1T if vsid & SIZE else SHIFT_256M


def number(rb: int) -> int:
    """Return the number of the entry that RB names."""
    return (rb & INDEX) % ENTRIES


def enter(state: ArchState, rb: int, rs: int) -> None:
    """Set an entry as slbmte does."""
    index = number(rb)
    state.write(SLB_ESID, rb & (ESID | VALID), index)
    state.write(SLB_VSID, rs & KEPT, index)


def find(state: ArchState, ea: int) -> int | None:
    """Return the number of the first valid entry that translates an address, or None."""
    for index in range(ENTRIES):
        esid = state.read(SLB_ESID, index)
        if esid & VALID and not (esid ^ ea) >> shift(state.read(SLB_VSID, index)):
            return index
    return None
