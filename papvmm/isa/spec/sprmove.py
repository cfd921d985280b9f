"""Moves to and from special purpose registers (Power ISA v3.0B, Book III, 4.4.4; II 6.1).

Which numbers exist, and how wide they are, is in ``isa/sprs.py``; here is what reading and
writing means for the registers that are more than a cell.
"""

from collections.abc import Callable
from typing import Final

from papvmm.bits import ones
from papvmm.clock import COUNTS, TICKS
from papvmm.isa.exit import Exit
from papvmm.isa.facilities import Facility
from papvmm.isa.forms import x_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import RS, RT, SPR, TBR
from papvmm.isa.sprs import SPRS, Access, Spr, is_privileged
from papvmm.isa.state import (
    AMR,
    BESCR,
    CELLS,
    CTRL,
    DEC_EXPIRY,
    IC_OFFSET,
    LARGE_DECREMENTER,
    LPCR,
    LPCR_LD,
    MMCR0,
    PPR,
    PSPB,
    PURR_OFFSET,
    SPURR_OFFSET,
    TB_OFFSET,
    UAMOR,
    VTB_OFFSET,
    XER_BITS,
    XER_LOW,
    Cell,
)
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value
from papvmm.isa.versions import EVERY_VERSION

section: Final = Section()

ILLEGAL_FOR_MTSPR: Final = (0,)
ILLEGAL_FOR_MFSPR: Final = (0, 4, 5, 6)
"""Numbers that are illegal in every state; other undefined ones do nothing when privileged."""

RESERVED_NO_OPS: Final = range(808, 812)
"""Numbers that do nothing in any state (Book I, 1.3.3)."""

CONTEXT_SPRS: Final = frozenset(("DEC", "PID", "AMR", "IAMR"))
"""SPRs that govern interrupts or storage accesses, so that the engine must look again."""

MMCR0_USER: Final = 0x8400_0080
MMCR2_USER: Final = 0x4020_1008_0402_0000
"""What problem state sees and changes: FC, PMAE, PMAO; and each counter's FCnP1."""

PPR_PRI: Final = 7 << 50


def _xer(cpu: Trace) -> Value:
    word = cpu[XER_LOW]
    for cell, bit in XER_BITS:
        word = word | (cpu[cell].zext(64) << (63 - bit))
    return word


def _set_xer(cpu: Trace, value: Value) -> None:
    cpu[XER_LOW] = value & ones(18)
    for cell, bit in XER_BITS:
        cpu[cell] = value.bit(bit)


def _ticks(cpu: Trace, offset: Cell) -> Value:
    """Return virtual time in ticks of the time base, plus an offset."""
    return (cpu.now * TICKS).udiv(COUNTS) + cpu[offset]


def time_base(cpu: Trace) -> Value:
    """Return the guest's time base."""
    return _ticks(cpu, TB_OFFSET)


def _dec(cpu: Trace) -> Value:
    left = cpu[DEC_EXPIRY] - time_base(cpu)
    return _is_large(cpu).select(left.trunc(LARGE_DECREMENTER).sext(64), left & ones(32))


def _set_dec(cpu: Trace, value: Value) -> None:
    large, small = value.trunc(LARGE_DECREMENTER).sext(64), value.trunc(32).sext(64)
    cpu[DEC_EXPIRY] = time_base(cpu) + _is_large(cpu).select(large, small)


def _is_large(cpu: Trace) -> Value:
    return (cpu[LPCR] & LPCR_LD).ne(0)


def _ctrl(cpu: Trace) -> Value:
    run = cpu[CTRL].zext(64)
    return run if cpu.problem_state else run | (run << 15)


def _set_ctrl(cpu: Trace, value: Value) -> None:
    cpu[CTRL] = value.trunc(32) & 1


def _set_amr(cpu: Trace, value: Value) -> None:
    mine = cpu[UAMOR] if cpu.problem_state else cpu.const(-1)
    cpu[AMR] = (cpu[AMR] & ~mine) | (value & mine)


def _set_ppr(cpu: Trace, value: Value) -> None:
    """Change the priority, if this state may ask for the new one.

    The forms of ``or`` that hint at a priority leave it alone.
    """
    allowed = cpu[PSPB].ne(0).select(0b111110, cpu.const(0b011110))
    if not cpu.problem_state:
        allowed = cpu.const(0b1111110)
    priority = (value >> 50) & 7
    permitted = (allowed >> priority).trunc(1)
    cpu[PPR] = permitted.select(value & PPR_PRI, cpu[PPR])


def _user_bits(cell: Cell, bits: int) -> tuple["Reader", "Writer"]:
    def read(cpu: Trace) -> Value:
        return cpu[cell] & bits if cpu.problem_state else cpu[cell]

    def write(cpu: Trace, value: Value) -> None:
        cpu[cell] = (cpu[cell] & ~bits) | (value & bits) if cpu.problem_state else value

    return read, write


def _bescr_high(cpu: Trace) -> Value:
    return cpu[BESCR] >> 32


Reader = Callable[[Trace], Value]
Writer = Callable[[Trace, Value], None]
_read_mmcr0, _write_mmcr0 = _user_bits(MMCR0, MMCR0_USER)
_read_mmcr2, _write_mmcr2 = _user_bits(CELLS["mmcr2"], MMCR2_USER)

READ: Final[dict[str, Reader]] = {
    "XER": _xer,
    "DEC": _dec,
    "CTRL": _ctrl,
    "TB": time_base,
    "TBU": lambda cpu: time_base(cpu) >> 32,
    "PURR": lambda cpu: _ticks(cpu, PURR_OFFSET),
    "SPURR": lambda cpu: _ticks(cpu, SPURR_OFFSET),
    "VTB": lambda cpu: _ticks(cpu, VTB_OFFSET),
    "IC": lambda cpu: cpu.now + cpu[IC_OFFSET],
    "MMCR0": _read_mmcr0,
    "MMCR2": _read_mmcr2,
    "BESCRS": lambda cpu: cpu[BESCR],
    "BESCRSU": _bescr_high,
    "BESCRR": lambda cpu: cpu[BESCR],
    "BESCRRU": _bescr_high,
    "PPR32": lambda cpu: cpu[PPR] >> 32,
}
"""How registers that are more than a cell are read."""


def _set_bescr(combine: Callable[[Value, Value], Value], shift: int) -> Writer:
    def write(cpu: Trace, value: Value) -> None:
        cpu[BESCR] = combine(cpu[BESCR], value << shift)

    return write


WRITE: Final[dict[str, Writer]] = {
    "XER": _set_xer,
    "DEC": _set_dec,
    "CTRL": _set_ctrl,
    "AMR": _set_amr,
    "MMCR0": _write_mmcr0,
    "MMCR2": _write_mmcr2,
    "BESCRS": _set_bescr(lambda old, new: old | new, 0),
    "BESCRSU": _set_bescr(lambda old, new: old | new, 32),
    "BESCRR": _set_bescr(lambda old, new: old & ~new, 0),
    "BESCRRU": _set_bescr(lambda old, new: old & ~new, 32),
    "PPR": _set_ppr,
    "PPR32": lambda cpu, value: _set_ppr(cpu, value << 32),
}
"""How they are written; registers that ignore writes have no row that allows them."""


def _check_facility(cpu: Trace, spr: Spr, access: Access) -> None:
    """Stop if ``spr`` is not available to problem state now."""
    if spr.facility is Facility.PM:
        _check_performance_monitor(cpu, spr, access)
    elif spr.facility is not None:
        cpu.exit_unless_available(spr.facility)


def _check_performance_monitor(cpu: Trace, spr: Spr, access: Access) -> None:
    """Apply MMCR0[PMCC]: what problem state may see and change (Book III, 9.4.4)."""
    if not cpu.problem_state:
        return
    pmcc0, pmcc1 = cpu[MMCR0].bit(44), cpu[MMCR0].bit(45)
    refused = ~pmcc0 & pmcc1
    if spr.name in ("PMC5", "PMC6"):
        refused = pmcc1
    cpu.exit_if(refused, Exit.FACILITY_PM)
    if access is Access.W:
        cpu.exit_if(~pmcc0 & ~pmcc1, Exit.ILLEGAL)


def _known(cpu: Trace, number: int) -> Spr | None:
    """Return the SPR of a number, if the processor has it."""
    spr = SPRS.get(number)
    if spr is None or spr.versions == EVERY_VERSION:
        return spr
    return spr if spr.versions & cpu.isa else None


def _reachable(cpu: Trace, access: Access, illegal: tuple[int, ...]) -> Spr | None:
    """Return the SPR, or leave, or do nothing, as the ISA says for numbers of no use here."""
    number = cpu.static(SPR)
    spr = _known(cpu, number)
    if cpu.problem_state and is_privileged(number):
        cpu.refuse(Exit.PRIVILEGED)
    elif spr is not None and spr.facility is Facility.TM:
        cpu.refuse(Exit.FACILITY_TM)
    elif spr is not None and access in spr.access:
        _check_facility(cpu, spr, access)
        return spr
    elif (cpu.problem_state and number not in RESERVED_NO_OPS) or number in illegal:
        cpu.refuse(Exit.ILLEGAL)
    return None


@section.define("mtspr SPR,RS", x_form(31, 467))
def mtspr(cpu: Trace) -> None:
    """Move To Special Purpose Register."""
    spr = _reachable(cpu, Access.W, ILLEGAL_FOR_MTSPR)
    if spr is None:
        return
    if spr.name in WRITE:
        WRITE[spr.name](cpu, cpu[RS])
    else:
        cpu[CELLS[spr.name.lower()]] = cpu[RS].trunc(spr.width)
    if spr.name in CONTEXT_SPRS:
        cpu.leave(Exit.CONTEXT, cpu.nia)


@section.define("mfspr RT,SPR", x_form(31, 339))
def mfspr(cpu: Trace) -> None:
    """Move From Special Purpose Register."""
    spr = _reachable(cpu, Access.R, ILLEGAL_FOR_MFSPR)
    if spr is not None:
        cpu[RT] = _read(cpu, spr)


@section.define("mftb RT,TBR", x_form(31, 371))
def mftb(cpu: Trace) -> None:
    """Move From Time Base."""
    cpu[RT] = _read(cpu, SPRS[cpu.static(TBR)])


def _read(cpu: Trace, spr: Spr) -> Value:
    if spr.name in READ:
        return READ[spr.name](cpu)
    return cpu[CELLS[spr.name.lower()]].trunc(spr.width).zext(64)
