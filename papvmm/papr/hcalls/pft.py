"""hcall-pft and hcall-bulk: the hashed page table's entries (PAPR 14.5.4.1).

A guest that translates by radix trees has no such table, and gets H_FUNCTION.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final

from papvmm.isa.state import LPCR, LPCR_HR
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.hashed import (
    R_CACHE_INHIBITED,
    R_CHANGED,
    R_KEY_HIGH,
    R_KEY_LOW,
    R_MEMORY_COHERENT,
    R_NO_EXECUTE,
    R_PP,
    R_PP0,
    R_PROTECTION,
    R_REFERENCED,
    R_RPN,
    R_WIMG,
    R_WRITE_THROUGH,
    V_AVPN,
    V_SIZE,
    V_VALID,
    page_shift,
)
from papvmm.papr.hcall import (
    PARAMETER,
    SUCCESS,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)

H_EXACT: Final = 1 << 39
"""H_ENTER: this entry, not any of its group."""
H_READ_4: Final = 1 << 37
H_AVPN: Final = 1 << 31
"""Only if the entry has this address."""
H_ANDCOND: Final = 1 << 30
"""H_REMOVE: only if the entry has none of these bits."""

V_ADDRESS: Final = V_SIZE | V_AVPN
V_HYPERVISORS: Final = 0x60
"""Bits that are the hypervisor's in an entry that a guest gives."""

FLAG_PP0: Final = 55
FLAG_KEY_HIGH: Final = 48
"""How far H_PROTECT's flags are from where an entry has them; the others are where they are."""

FULL: Final = HcallResult(HcallStatus.H_PTEG_FULL)
NOT_FOUND: Final = HcallResult(HcallStatus.H_NOT_FOUND)
NO_TABLE: Final = HcallResult(HcallStatus.H_FUNCTION)

_SUCCESS: Final = HcallStatus.H_SUCCESS
_LPCR: Final = LPCR.place


def _with_table(
    handler: Callable[[HcallContext, HashTable, HcallArgs], HcallResult],
) -> HcallHandler:
    """Return a handler that is called only while there is a hashed page table."""

    def handle(context: HcallContext, args: HcallArgs) -> HcallResult:
        if context.caller.state.doublewords[_LPCR] & LPCR_HR:
            return NO_TABLE
        return handler(context, context.hash_table, args)

    return handle


def h_enter(context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Put the entry ``args[2:4]`` where ``args[1]`` says, and return where.

    As by KVM and QEMU, the flags that ask for pages to be zeroed or instruction caches to be
    synchronised change nothing: none is needed here, and the other is for H_PAGE_INIT.
    """
    flags, slot, v, r = args[:4]
    shift = page_shift(v, r)
    if not shift or slot >= table.slots or not _is_cached_well(context, r, shift):
        return PARAMETER
    if flags & H_EXACT:
        free = None if table.entry(slot)[0] & V_VALID else slot
    else:
        free = table.free_slot(slot)
    if free is None:
        return FULL
    table.enter(free, v & ~V_HYPERVISORS | V_VALID, r)
    return HcallResult(_SUCCESS, (free,))


def _is_cached_well(context: HcallContext, r: int, shift: int) -> bool:
    """Tell whether WIMG is what is needed: M for RAM, and I, perhaps with M, for all else."""
    if (r & R_RPN) >> shift << shift < context.memory.size:
        return r & R_WIMG == R_MEMORY_COHERENT
    return r & (R_WRITE_THROUGH | R_CACHE_INHIBITED) == R_CACHE_INHIBITED


def _found(table: HashTable, slot: int, flags: int, address: int) -> tuple[int, int] | None:
    """Return a valid entry that fulfils the flags' conditions, or None."""
    v, r = table.entry(slot)
    if (
        not v & V_VALID
        or (flags & H_AVPN and v & V_ADDRESS != address)
        or (flags & H_ANDCOND and v & address)
    ):
        return None
    return v, r


def h_remove(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Make the entry ``args[1]`` invalid, and return what it was."""
    flags, slot, address = args[:3]
    if slot >= table.slots:
        return PARAMETER
    found = _found(table, slot, flags, address)
    if found is None:
        return NOT_FOUND
    table.remove(slot, found[0])
    return HcallResult(_SUCCESS, found)


def h_read(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Return the entry ``args[1]``, or the four that it is among."""
    flags, slot = args[:2]
    if slot >= table.slots:
        return PARAMETER
    slots = range(slot & -4, (slot | 3) + 1) if flags & H_READ_4 else (slot,)
    return HcallResult(_SUCCESS, tuple(word for one in slots for word in table.entry(one)))


def h_protect(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Change what is allowed in the page of the entry ``args[1]``."""
    flags, slot, address = args[:3]
    if slot >= table.slots:
        return PARAMETER
    found = _found(table, slot, flags & ~H_ANDCOND, address)
    if found is None:
        return NOT_FOUND
    v, r = found
    asked = flags << FLAG_PP0 & R_PP0 | flags << FLAG_KEY_HIGH & R_KEY_HIGH
    asked |= flags & (R_PP | R_NO_EXECUTE | R_KEY_LOW)
    table.change(slot, v, r & ~R_PROTECTION | asked)
    return SUCCESS


def _clear(table: HashTable, slot: int, bit: int) -> HcallResult:
    """Clear R or C of an entry, and return its second doubleword as it was."""
    if slot >= table.slots:
        return PARAMETER
    v, r = table.entry(slot)
    if not v & V_VALID:
        return NOT_FOUND
    table.change(slot, v, r & ~bit)
    return HcallResult(_SUCCESS, (r,))


def h_clear_ref(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Clear the reference bit of the entry ``args[1]``."""
    return _clear(table, args[1], R_REFERENCED)


def h_clear_mod(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Clear the change bit of the entry ``args[1]``."""
    return _clear(table, args[1], R_CHANGED)


class Bulk(IntEnum):
    """The type of a specifier of H_BULK_REMOVE, its bits 0:1."""

    UNUSED = 0
    REQUEST = 1
    RESPONSE = 2
    END = 3


class Removed(IntEnum):
    """What a response says, in bits 2:3."""

    SUCCESS = 0
    NOT_FOUND = 1
    PARAMETER = 2


BULK_MOST: Final = 4
BULK_TYPE: Final = 62
BULK_CODE: Final = 60
BULK_FLAGS: Final = 3 << 56
BULK_FLAGS_SHIFT: Final = 26
"""How far the conditions of a specifier are from those of H_REMOVE."""
BULK_SLOT: Final = (1 << 56) - 1
BULK_CHANGES: Final = 51
"""How far R and C in a response are from where an entry has them."""


def h_bulk_remove(_context: HcallContext, table: HashTable, args: HcallArgs) -> HcallResult:
    """Remove up to four entries, given as specifier and address; specifiers become responses."""
    answers = list(args[: 2 * BULK_MOST])
    status = HcallStatus.H_SUCCESS
    for index in range(0, 2 * BULK_MOST, 2):
        kind = answers[index] >> BULK_TYPE
        if kind == Bulk.END:
            break
        if kind != Bulk.REQUEST:
            status = HcallStatus.H_PARAMETER
            break
        asked = answers[index] & (BULK_FLAGS | BULK_SLOT)
        code, changes = _remove(table, asked, answers[index + 1])
        answers[index] = asked | Bulk.RESPONSE << BULK_TYPE | code << BULK_CODE | changes
        if code is Removed.PARAMETER:
            status = HcallStatus.H_PARAMETER
            break
    return HcallResult(status, tuple(answers))


def _remove(table: HashTable, asked: int, address: int) -> tuple[Removed, int]:
    """Remove one entry of several; return how that went, and R and C as a response has them."""
    slot, flags = asked & BULK_SLOT, (asked & BULK_FLAGS) >> BULK_FLAGS_SHIFT
    if slot >= table.slots or flags == H_AVPN | H_ANDCOND:
        return Removed.PARAMETER, 0
    found = _found(table, slot, flags, address)
    if found is None:
        return Removed.NOT_FOUND, 0
    v, r = found
    table.remove(slot, v)
    return Removed.SUCCESS, (r & (R_REFERENCED | R_CHANGED)) << BULK_CHANGES


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_BULK_REMOVE: _with_table(h_bulk_remove),
    Hcall.H_CLEAR_MOD: _with_table(h_clear_mod),
    Hcall.H_CLEAR_REF: _with_table(h_clear_ref),
    Hcall.H_ENTER: _with_table(h_enter),
    Hcall.H_PROTECT: _with_table(h_protect),
    Hcall.H_READ: _with_table(h_read),
    Hcall.H_REMOVE: _with_table(h_remove),
}
