"""H_REGISTER_PROC_TBL: where a guest keeps the tables that its processors translate with."""

from collections.abc import Mapping
from typing import Final

from papvmm.isa.state import LPCR, LPCR_GTSE, LPCR_HR, LPCR_UPRT, PROCESS_TABLE
from papvmm.mmu.radix import PROCESS_TABLE_BASE
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

CHANGE: Final = 0x10
"""Replace the registration; without it, only what the other flags say is done."""
REGISTER: Final = 0x08
RADIX: Final = 0x04
SEGMENT_TABLES: Final = 0x02
GTSE: Final = 0x01
"""The guest invalidates translations itself."""
FLAGS: Final = CHANGE | REGISTER | RADIX | SEGMENT_TABLES | GTSE

ALIGNMENT: Final = 4096
LARGEST: Final = 24
"""The largest table has 2 to the power of 12 + this many bytes."""


def h_register_proc_tbl(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Register, keep or drop the process table, and choose how every vcpu translates.

    Arguments: flags, real address, page size encoding, log of the size in bytes minus 12.
    Process tables are for radix trees, and there is no hashed page table beside them; segment
    tables are not built. Processors before POWER9 have neither.
    """
    if not context.caller.model.has_radix_trees:
        return HcallResult(HcallStatus.H_FUNCTION)
    flags, base, page_size, size = args[:4]
    lpcr = context.caller.state.read(LPCR)
    table = context.caller.state.read(PROCESS_TABLE)
    radix = bool(flags & RADIX)
    if flags & ~FLAGS or flags & SEGMENT_TABLES:
        return PARAMETER
    if flags & CHANGE and flags & REGISTER:
        wrong = _what_is_wrong(base, page_size, size) if radix else HcallStatus.H_PARAMETER
        if wrong is not None:
            return HcallResult(wrong)
        table = base | size
    elif flags & CHANGE:
        table = 0
    elif radix != bool(lpcr & LPCR_HR):
        return PARAMETER
    if radix:
        context.hash_table.clear()
    chosen = (LPCR_UPRT | LPCR_HR if radix else 0) | (LPCR_GTSE if flags & GTSE else 0)
    for vcpu in context.vcpus:
        others = vcpu.state.read(LPCR) & ~(LPCR_UPRT | LPCR_HR | LPCR_GTSE)
        vcpu.state.write(LPCR, others | chosen)
        vcpu.state.write(PROCESS_TABLE, table)
    return SUCCESS


def _what_is_wrong(base: int, page_size: int, size: int) -> HcallStatus | None:
    if base & ~PROCESS_TABLE_BASE or base % ALIGNMENT:
        return HcallStatus.H_P2
    if page_size:
        return HcallStatus.H_P3
    if size > LARGEST:
        return HcallStatus.H_P4
    return None


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_REGISTER_PROC_TBL: h_register_proc_tbl,
}
