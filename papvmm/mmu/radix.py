"""Radix tree translation (Power ISA v3.0B, Book III, 5.7.10), with the trees POWER9 knows.

What is here looks at guest RAM and remembers nothing. All tables are big-endian.
"""

from typing import Final, NamedTuple

from papvmm.bits import ones
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.translate import (
    BAD_TABLE,
    BAD_TREE,
    KEY_PROTECTED,
    NO_EXECUTE,
    NO_TRANSLATION,
    PROTECTED,
    Access,
)

PROCESS_TABLE_BASE: Final = 0x0FFF_FFFF_FFFF_F000
PROCESS_TABLE_SIZE: Final = 0x1F
"""The log of the process table's size in bytes, minus 12."""
PROCESS_ENTRY: Final = 16
"""Bytes for each PID; the first doubleword is all that a radix tree needs."""

ROOT_BASE: Final = 0x0FFF_FFFF_FFFF_FF00
DIRECTORY_BASE: Final = 0x00FF_FFFF_FFFF_FF00
INDEX_BITS: Final = 0x1F
"""How many address bits choose an entry of the directory that a doubleword points to."""

EA_BITS: Final = 52
LEVELS: Final = ((13,), (9,), (9,), (9, 5))
"""What POWER9 takes for each level's index bits, from the root on."""
PAGE_SHIFTS: Final = (30, 21, 16, 12)
DIRECTORY_SHIFT: Final = 21
"""The log of what a last directory covers."""

VALID: Final = 1 << 63
LEAF: Final = 1 << 62
RPN: Final = 0x01FF_FFFF_FFFF_F000
REFERENCED: Final = 0x100
CHANGED: Final = 0x80
ATTRIBUTES: Final = 0x30
NON_IDEMPOTENT: Final = 0x20
PRIVILEGED: Final = 8
READ: Final = 4
READ_WRITE: Final = 2
EXECUTE: Final = 1
"""The encoded access authority (EAA), bits 60:63 of a leaf."""

QUADRANT: Final = 3 << 62
OUT_OF_RANGE: Final = 0x3FF0_0000_0000_0000
"""Effective address bits that must be 0: there is nothing between quadrants 0 and 3."""


class WalkFailed(Exception):
    """A tree leads nowhere, for ``causes``: bits of DSISR, or SRR1 for a fetch."""

    def __init__(self, causes: int) -> None:
        super().__init__(f"{causes:#x}")
        self.causes: Final = causes


class Directory(NamedTuple):
    """A table of a tree: where it is, by how many bits, down to which, it is indexed.

    ``above`` is where the entries are that lead to it.
    """

    base: int
    bits: int
    shift: int
    above: tuple[int, ...]


class Leaf(NamedTuple):
    """A page table entry, where it is, the log of its page's size, and the table it is in."""

    gpa: int
    entry: int
    shift: int
    directory: Directory

    def real(self, ea: int) -> int:
        """Return the real address of a byte of the page."""
        within = ones(self.shift)
        return self.entry & RPN & ~within | ea & within


def in_range(ea: int) -> bool:
    """Tell whether a guest can have a translation for ``ea``: in quadrants 0 and 3 only."""
    return not ea & OUT_OF_RANGE and ea & QUADRANT in (0, QUADRANT)


def find(memory: GuestMemory, process_table: int, pid: int, ea: int) -> Leaf:
    """Find the leaf for an address in range; raises ``WalkFailed``.

    ``process_table`` is the second doubleword of the partition table entry. Quadrant 3 is
    process 0's in every process.
    """
    pid = 0 if ea & QUADRANT else pid
    if pid * PROCESS_ENTRY >> 12 + (process_table & PROCESS_TABLE_SIZE):
        raise WalkFailed(NO_TRANSLATION)
    gpa = (process_table & PROCESS_TABLE_BASE) + pid * PROCESS_ENTRY
    entry = _read(memory, gpa)
    if _tree_size(entry) != EA_BITS:
        raise WalkFailed(BAD_TREE)
    base, left = entry & ROOT_BASE, EA_BITS
    above: tuple[int, ...] = (gpa,)
    for supported in LEVELS:
        bits = entry & INDEX_BITS
        if bits not in supported:
            raise WalkFailed(BAD_TREE)
        left -= bits
        directory = Directory(base, bits, left, above)
        found = look_into(memory, directory, ea, is_last=supported is LEVELS[-1])
        entry = found.entry
        if entry & LEAF:
            return found
        base, above = entry & DIRECTORY_BASE, (*above, found.gpa)
    raise AssertionError("the last directory has leaves only")


def look_into(memory: GuestMemory, directory: Directory, ea: int, *, is_last: bool) -> Leaf:
    """Return a valid entry of a directory, a leaf if it is the last; raises ``WalkFailed``."""
    base, bits, shift, _ = directory
    gpa = base + 8 * (ea >> shift & ones(bits))
    entry = _read(memory, gpa)
    if not entry & VALID:
        raise WalkFailed(NO_TRANSLATION)
    if shift not in PAGE_SHIFTS if entry & LEAF else is_last:
        raise WalkFailed(BAD_TREE)
    return Leaf(gpa, entry, shift, directory)


def refusal(entry: int, access: Access, keys: int, *, problem_state: bool) -> int:
    """Return why a leaf does not allow an access, as bits of DSISR or SRR1; 0 if it does.

    ``keys`` are bits 0:1 of AMR, or of IAMR for a fetch. They say what privileged state may
    not do with pages that problem state may use, too: store (2), load or execute (1).
    """
    if access is Access.FETCH:
        allowed, kept_out = entry & EXECUTE, keys & 1
        if entry & ATTRIBUTES == NON_IDEMPOTENT:
            return NO_EXECUTE
    elif access is Access.STORE:
        allowed, kept_out = entry & READ_WRITE, keys & 2
    else:
        allowed, kept_out = entry & (READ | READ_WRITE), keys & 1
    causes = 0
    if not allowed or (problem_state and entry & PRIVILEGED):
        causes |= NO_EXECUTE if access is Access.FETCH else PROTECTED
    if kept_out and not problem_state and not entry & PRIVILEGED:
        causes |= KEY_PROTECTED
    return causes


def record(memory: GuestMemory, leaf: Leaf, access: Access) -> Leaf:
    """Set the reference bit, and the change bit for a store, as POWER9 does itself."""
    entry = leaf.entry | REFERENCED | (CHANGED if access is Access.STORE else 0)
    if entry != leaf.entry:
        memory.store_be(leaf.gpa, 8, entry)
    return leaf._replace(entry=entry)


def _tree_size(entry: int) -> int:
    """Return how many address bits a process's tree translates: RTS, bits 1:2 and 56:58."""
    return (entry >> 58 & 0x18 | entry >> 5 & 7) + 31


def _read(memory: GuestMemory, gpa: int) -> int:
    if not memory.holds(gpa, 8):
        raise WalkFailed(BAD_TABLE)
    return memory.load_be(gpa, 8)
