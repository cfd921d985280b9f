"""Interrupts as a guest kernel gets them (Power ISA v3.0B, Book III, chapter 6).

Hypervisor interrupts are not here: a guest never sees one.
"""

from enum import IntEnum
from typing import Final

from papvmm.isa.msr import MSR_DR, MSR_FE, MSR_IR, MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.softfloat.fpscr import FEX
from papvmm.isa.state import CIA, FPSCR, LPCR, MSR, SRR0, SRR1, ArchState


class Interrupt(IntEnum):
    """Interrupts, by the effective address of their vector."""

    SYSTEM_RESET = 0x100
    MACHINE_CHECK = 0x200
    DATA_STORAGE = 0x300
    DATA_SEGMENT = 0x380
    INSTRUCTION_STORAGE = 0x400
    INSTRUCTION_SEGMENT = 0x480
    EXTERNAL = 0x500
    ALIGNMENT = 0x600
    PROGRAM = 0x700
    FP_UNAVAILABLE = 0x800
    DECREMENTER = 0x900
    PRIVILEGED_DOORBELL = 0xA00
    SYSTEM_CALL = 0xC00
    TRACE = 0xD00
    VECTOR_UNAVAILABLE = 0xF20
    VSX_UNAVAILABLE = 0xF40
    FACILITY_UNAVAILABLE = 0xF60


PROGRAM_FP_ENABLED: Final = 0x10_0000
PROGRAM_ILLEGAL: Final = 0x8_0000
PROGRAM_PRIVILEGED: Final = 0x4_0000
PROGRAM_TRAP: Final = 0x2_0000
"""SRR1 bits 43 to 46: why there is a program interrupt."""
PROGRAM_LATER: Final = 0x1_0000
"""SRR1 bit 47: SRR0 is after the instruction that caused it."""

TRACED: Final = 0x4000_0000
TRACED_LOAD: Final = 0x1000_0000
TRACED_STORE: Final = 0x0800_0000
"""SRR1 bits of a trace interrupt: 33 always, 35 after a load, 36 after a store."""

PREFIXED: Final = 0x2000_0000
"""SRR1 bit 34: the interrupt is of a prefixed instruction."""
ACROSS_BOUNDARY: Final = 0x1000_0000
"""SRR1 bit 35 of an alignment interrupt: it is one because of where the instruction is."""

SRR1_CAUSES: Final = 0x783F_0000
"""SRR1 bits 33:36 and 42:47, which tell the cause; the others are those of the MSR."""

LPCR_ILE: Final = 0x0200_0000
"""LPCR bit 38: interrupts are taken in little-endian mode."""
LPCR_AIL: Final = 0x0180_0000
"""LPCR bits 39:40: where interrupts taken with translation on go, which then stays on."""

AIL_OFFSETS: Final = {0x0100_0000: 0x1_8000, 0x0180_0000: 0xC000_0000_0000_4000}
NEVER_RELOCATED: Final = (Interrupt.SYSTEM_RESET, Interrupt.MACHINE_CHECK)

_CIA, _LPCR, _MSR, _SRR0, _SRR1 = (cell.place for cell in (CIA, LPCR, MSR, SRR0, SRR1))


def is_fp_exception(state: ArchState) -> bool:
    """Tell whether an enabled floating-point exception is there and is to be an interrupt."""
    return bool(state.read(MSR) & MSR_FE and state.read(FPSCR) & FEX)


def deliver(state: ArchState, interrupt: Interrupt, srr0: int, causes: int = 0) -> None:
    """Take an interrupt: SRR0 and SRR1 say where from and why, and CIA is its vector.

    The new MSR has SF, LE as LPCR[ILE] has it, and keeps ME: all else is 0, but for
    translation where LPCR[AIL] keeps it on.
    """
    q = state.doublewords
    msr, lpcr = q[_MSR], q[_LPCR]
    q[_SRR0] = srr0
    q[_SRR1] = msr & ~SRR1_CAUSES | causes
    translating = msr & (MSR_IR | MSR_DR)
    offset = AIL_OFFSETS.get(lpcr & LPCR_AIL, 0)
    if translating != MSR_IR | MSR_DR or interrupt in NEVER_RELOCATED:
        translating = offset = 0
    if not offset:
        translating = 0
    q[_MSR] = MSR_SF | (msr & MSR_ME) | (MSR_LE if lpcr & LPCR_ILE else 0) | translating
    q[_CIA] = interrupt + offset
