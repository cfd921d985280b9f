"""Hashed page table translation (Power ISA v3.0B, Book III, 5.7.7 to 5.7.9, and 5.7.11).

What is here is arithmetic on SLB and page table entries, and remembers nothing. Page table
entries are those of version 2.07, as hypercalls have them on every processor.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from papvmm.bits import ones
from papvmm.isa import slb
from papvmm.mmu.translate import KEY_PROTECTED, NO_EXECUTE, PROTECTED, Access

V_VALID: Final = 1
V_SECONDARY: Final = 2
V_LARGE: Final = 4
V_SIZE: Final = 3 << 62
V_AVPN: Final = 0x3FFF_FFFF_FFFF_FF80
"""The first doubleword: V, H, L, B and AVPN; bits 57:60 are software's."""
V_MATCHED: Final = V_SIZE | V_AVPN
AVPN_SHIFT: Final = 16
"""How far an address in its segment is from where AVPN has it."""

R_PP: Final = 3
R_NO_EXECUTE: Final = 4
R_GUARDED: Final = 8
R_MEMORY_COHERENT: Final = 0x10
R_CACHE_INHIBITED: Final = 0x20
R_WRITE_THROUGH: Final = 0x40
R_WIMG: Final = 0x78
R_CHANGED: Final = 0x80
R_REFERENCED: Final = 0x100
R_KEY_LOW: Final = 0xE00
R_RPN: Final = 0x0FFF_FFFF_FFFF_F000
R_KEY_HIGH: Final = 3 << 60
R_PP0: Final = 1 << 63
"""The second doubleword."""
R_PROTECTION: Final = R_PP0 | R_PP | R_NO_EXECUTE | R_KEY_HIGH | R_KEY_LOW
"""What a hypercall changes of what is allowed."""
R_ALLOWED: Final = R_PROTECTION | R_GUARDED
"""What it follows from in an entry what is allowed."""

LP_SHIFT: Final = 12
LP: Final = 0xFFF
"""Bits of the second doubleword that say how large a page is, and, for 64K, where it is."""


class BasePage(NamedTuple):
    """A base page size: its encoding in an SLB entry (L and LP), and of each size of its pages.

    Pages of 4K have L=0 in their entries, and no encoding.
    """

    encoding: int
    pages: Mapping[int, int]


SIZES: Final[Mapping[int, BasePage]] = {
    12: BasePage(0, {12: 0, 16: 7, 24: 0x38}),
    16: BasePage(slb.LARGE | 0x10, {16: 1, 24: 8}),
    24: BasePage(slb.LARGE, {24: 0}),
}
"""The base page sizes of POWER8 and POWER9, by logs of sizes."""


def _of_large(sizes: Mapping[int, int]) -> bytes:
    """Return the log of the page size, or 0, for each value of the bits ``LP``."""
    logs = bytearray(LP + 1)
    for shift, encoding in sizes.items():
        if shift > LP_SHIFT:
            same = slice(encoding, None, 1 << shift - LP_SHIFT)
            logs[same] = bytes([shift]) * len(logs[same])
    return bytes(logs)


_BASE: Final = {size.encoding: shift for shift, size in SIZES.items()}
_OF_BASE: Final = {shift: _of_large(size.pages) for shift, size in SIZES.items()}
_OF_ANY: Final = bytes(map(max, *_OF_BASE.values()))
"""No encoding means pages of two sizes: what the base page size is need not be known."""
_SMALL: Final = 12


def page_shift(v: int, r: int) -> int:
    """Return the log of the size of the page of an entry; 0 if there is no such encoding."""
    return _OF_ANY[r >> LP_SHIFT & LP] if v & V_LARGE else _SMALL


class Segment(NamedTuple):
    """What is in a valid SLB entry, as translations need it."""

    shift: int
    """The log of its size."""
    within: int
    """The mask of addresses within it."""
    base: int
    """The log of the base page size; 0 if there is no such encoding."""
    pages: int
    """The mask of the addresses of its pages within it."""
    seed: int
    """What page numbers are combined with for the hash."""
    match: int
    """B and VSID as page table entries have them."""
    ks: int
    kp: int
    """The keys of privileged and problem state, 0 or 1."""
    is_no_execute: bool

    def hash(self, ea: int) -> int:
        """Return the hash of an address, whose low bits number its primary group."""
        return self.seed ^ (ea & self.within) >> self.base

    def matched(self, ea: int) -> int:
        """Return what ``V_MATCHED`` selects of an entry for an address."""
        return self.match | (ea & self.pages) >> AVPN_SHIFT & V_AVPN

    def page_shift(self, v: int, r: int) -> int:
        """Return the log of the size of the page of an entry; 0 if the segment has no such."""
        if v & V_LARGE:
            return _OF_BASE[self.base][r >> LP_SHIFT & LP]
        return _SMALL if self.base == _SMALL else 0


def segment(vsid: int) -> Segment:
    """Return what the second doubleword of an SLB entry means."""
    number = vsid & slb.VSID
    if vsid & slb.SIZE:
        number >>= 24
        seed = number ^ number << 25
    else:
        seed = number >> 12
    base = _BASE.get(vsid & (slb.LARGE | slb.LARGE_PAGE), 0)
    within = ones(slb.shift(vsid))
    return Segment(
        shift=slb.shift(vsid),
        within=within,
        base=base,
        pages=within >> base << base,
        seed=seed,
        match=vsid & (slb.SIZE | slb.VSID),
        ks=bool(vsid & slb.KS),
        kp=bool(vsid & slb.KP),
        is_no_execute=bool(vsid & slb.NO_EXECUTE),
    )


_READ, _WRITE = 1, 2
_ALLOWED: Final = (
    (_READ | _WRITE, _READ | _WRITE, _READ | _WRITE, _READ, 0, 0, _READ, 0),
    (0, _READ, _READ | _WRITE, _READ, 0, 0, 0, 0),
)
"""What PP bits allow, by the key of the segment; the reserved ones nothing."""


def refusal(r: int, access: Access, key: int, class_keys: int) -> int:
    """Return why a page does not allow an access, as bits of DSISR or SRR1; 0 if it does.

    ``key`` is that of the segment, ``class_keys`` is AMR, or IAMR for a fetch.
    """
    number = (r & R_KEY_HIGH) >> 57 | (r & R_KEY_LOW) >> 9
    kept_out = class_keys >> 2 * (31 - number)
    allowed = _ALLOWED[key][r & R_PP | (r & R_PP0) >> 61]
    if access is Access.FETCH:
        if r & (R_NO_EXECUTE | R_GUARDED):
            causes = NO_EXECUTE
        else:
            causes = 0 if allowed & _READ else PROTECTED
        kept_out &= 1
    elif access is Access.STORE:
        causes = 0 if allowed & _WRITE else PROTECTED
        kept_out &= 2
    else:
        causes = 0 if allowed & _READ else PROTECTED
        kept_out &= 1
    return causes | KEY_PROTECTED if kept_out else causes


def real(r: int, shift: int, ea: int) -> int:
    """Return the real address of a byte of a page."""
    within = ones(shift)
    return r & R_RPN & ~within | ea & within
