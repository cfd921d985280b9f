"""Traps, system linkage and the MSR (Power ISA v3.0B, Book I, 3.3.11; Book III, 3 and 4.4)."""

from typing import Final

from papvmm.isa.exit import Exit
from papvmm.isa.facilities import Facility
from papvmm.isa.forms import d_form, sc_form, scv_form, x_form
from papvmm.isa.instruction import Privilege, Section
from papvmm.isa.interrupts import AIL_OFFSETS, LPCR_AIL, LPCR_ILE, SRR1_CAUSES, Interrupt
from papvmm.isa.msr import (
    MSR_DR,
    MSR_EE,
    MSR_GUEST,
    MSR_HV,
    MSR_IR,
    MSR_LE,
    MSR_ME,
    MSR_PR,
    MSR_RI,
    MSR_SF,
    MSR_TM,
    MSR_TS,
)
from papvmm.isa.operands import L15, LEV, LEV7, RA, RB, RS, RT, SI, TO
from papvmm.isa.state import CTR, DPDES, LPCR, LR, MSR, SRR0, SRR1, TIR
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section()

PRIVILEGED: Final = Privilege.SUPERVISOR

TRANSLATING: Final = MSR_IR | MSR_DR
SCV_VECTORS: Final = 0x1_7000
SCV_RELOCATED: Final = 0xC000_0000_0000_3000
SCV_SPACING: Final = 0x20
"""Where the vectors of scv are, one for each LEV; relocated if LPCR[AIL] is 3."""

KEPT_BY_RETURN: Final = MSR_ME | MSR_HV | MSR_TS | MSR_TM
"""MSR bits that a guest's rfid leaves alone."""
KEPT_BY_MTMSRD: Final = KEPT_BY_RETURN | MSR_LE
KEPT_BY_MTMSR: Final = KEPT_BY_MTMSRD | (MSR_SF | 0x7FFF_FFFF << 32)


def _trap(cpu: Trace, a: Value, b: Value) -> None:
    """Trap if a and b compare as TO asks: <s, >s, =, <u, >u."""
    relations = (a.slt(b), b.slt(a), a.eq(b), a.ult(b), b.ult(a))
    chosen = cpu.const(0, 1)
    for bit, relation in enumerate(relations, start=59):
        chosen = chosen | (cpu[TO].bit(bit) & relation)
    cpu.exit_if(chosen, Exit.TRAP)


@section.define("td TO,RA,RB", x_form(31, 68))
def td(cpu: Trace) -> None:
    """Trap Doubleword."""
    _trap(cpu, cpu[RA], cpu[RB])


@section.define("tw TO,RA,RB", x_form(31, 4))
def tw(cpu: Trace) -> None:
    """Trap Word."""
    _trap(cpu, cpu[RA].trunc(32), cpu[RB].trunc(32))


@section.define("tdi TO,RA,SI", d_form(2))
def tdi(cpu: Trace) -> None:
    """Trap Doubleword Immediate."""
    _trap(cpu, cpu[RA], cpu[SI])


@section.define("twi TO,RA,SI", d_form(3))
def twi(cpu: Trace) -> None:
    """Trap Word Immediate."""
    _trap(cpu, cpu[RA].trunc(32), cpu[SI].trunc(32))


@section.define("sc LEV", sc_form(17))
def sc(cpu: Trace) -> None:
    """System Call: to the hypervisor, or an interrupt, taken as ``interrupts.deliver`` does."""
    if cpu.static(LEV):
        cpu.leave(Exit.HYPERCALL, cpu.nia)
        return
    msr, lpcr = cpu[MSR], cpu[LPCR]
    cpu[SRR0] = cpu.nia
    cpu[SRR1] = msr & ~SRR1_CAUSES
    translating, offset = msr.coerce(0), msr.coerce(0)
    for ail, relocation in AIL_OFFSETS.items():
        relocated = (msr & TRANSLATING).eq(TRANSLATING) & (lpcr & LPCR_AIL).eq(ail)
        translating = relocated.select(TRANSLATING, translating)
        offset = relocated.select(relocation, offset)
    cpu[MSR] = (msr & MSR_ME) | MSR_SF | _interrupt_order(lpcr) | translating
    cpu.leave(Exit.CONTEXT, offset + Interrupt.SYSTEM_CALL)


def _interrupt_order(lpcr: Value) -> Value:
    """Return MSR[LE] for an interrupt's handler."""
    return (lpcr & LPCR_ILE).ne(0).zext(64) * MSR_LE


@section.define("scv LEV7", scv_form(17))
def scv(cpu: Trace) -> None:
    """System Call Vectored: an interrupt that saves in LR and CTR, and keeps EE and RI."""
    cpu.exit_unless_available(Facility.SCV)
    msr, lpcr = cpu[MSR], cpu[LPCR]
    cpu[LR] = cpu.nia
    cpu[CTR] = msr & ~SRR1_CAUSES
    relocated = (msr & TRANSLATING).eq(TRANSLATING) & (lpcr & LPCR_AIL).eq(LPCR_AIL)
    kept = (msr & (MSR_ME | MSR_EE | MSR_RI)) | MSR_SF
    cpu[MSR] = kept | _interrupt_order(lpcr) | relocated.select(TRANSLATING, msr.coerce(0))
    base = relocated.select(SCV_RELOCATED, msr.coerce(SCV_VECTORS))
    cpu.leave(Exit.CONTEXT, base + cpu[LEV7] * SCV_SPACING)


def _set_msr(cpu: Trace, source: Value, kept: int) -> None:
    """Set MSR from ``source`` but for the bits to keep; PR=1 implies EE, IR and DR."""
    implied = ((source & MSR_PR).ne(0)).select(MSR_EE | MSR_IR | MSR_DR, source.coerce(0))
    changed = MSR_GUEST & ~kept
    cpu[MSR] = (cpu[MSR] & ~changed) | ((source | implied) & changed)


def _return(cpu: Trace, msr: Value, address: Value) -> None:
    """Continue at ``address`` with another MSR, which says how wide addresses are."""
    _set_msr(cpu, msr, KEPT_BY_RETURN)
    target = address & ~3
    cpu.leave(Exit.CONTEXT, (msr & MSR_SF).ne(0).select(target, target & 0xFFFF_FFFF))


@section.define("rfid", x_form(19, 18), privilege=PRIVILEGED)
def rfid(cpu: Trace) -> None:
    """Return From Interrupt Doubleword."""
    _return(cpu, cpu[SRR1], cpu[SRR0])


@section.define("rfscv", x_form(19, 82), privilege=PRIVILEGED)
def rfscv(cpu: Trace) -> None:
    """Return From System Call Vectored."""
    _return(cpu, cpu[CTR], cpu[LR])


section.define_refused(
    "hrfid",
    x_form(19, 274),
    "Hypervisor Return From Interrupt Doubleword.",
    privilege=Privilege.HYPERVISOR,
)
for _name, _xo, _title in (
    ("doze", 402, "Doze."), ("nap", 434, "Nap."), ("sleep", 466, "Sleep."),
    ("rvwinkle", 498, "Rip Van Winkle."),
):  # fmt: skip
    section.define_refused(_name, x_form(19, _xo), _title, privilege=Privilege.HYPERVISOR)
section.define_refused("stop", x_form(19, 370), "Stop.", privilege=PRIVILEGED)


def _move_to_msr(cpu: Trace, kept: int) -> None:
    if cpu.static(L15):
        cpu[MSR] = (cpu[MSR] & ~(MSR_EE | MSR_RI)) | (cpu[RS] & (MSR_EE | MSR_RI))
    else:
        _set_msr(cpu, cpu[RS], kept)
    cpu.leave(Exit.CONTEXT, cpu.nia)


@section.define("mtmsr RS,L15", x_form(31, 146), privilege=PRIVILEGED)
def mtmsr(cpu: Trace) -> None:
    """Move To Machine State Register: the low word, but for ME and LE."""
    _move_to_msr(cpu, KEPT_BY_MTMSR)


@section.define("mtmsrd RS,L15", x_form(31, 178), privilege=PRIVILEGED)
def mtmsrd(cpu: Trace) -> None:
    """Move To Machine State Register Doubleword: all but ME, LE and HV."""
    _move_to_msr(cpu, KEPT_BY_MTMSRD)


DOORBELL: Final = 5
"""The type of a directed privileged doorbell's message."""


def _ring(cpu: Trace, ringing: int) -> None:
    """Set or clear the doorbell of a thread of this core, if RB names this: there is no other."""
    message = cpu[RB]
    mine = ((message >> 27) & 31).eq(DOORBELL) & (message & 127).eq(cpu[TIR])
    cpu[DPDES] = mine.select(ringing, cpu[DPDES])
    cpu.leave(Exit.CONTEXT, cpu.nia)


@section.define("msgsndp RB", x_form(31, 142), privilege=PRIVILEGED)
def msgsndp(cpu: Trace) -> None:
    """Message Send Privileged."""
    _ring(cpu, 1)


@section.define("msgclrp RB", x_form(31, 174), privilege=PRIVILEGED)
def msgclrp(cpu: Trace) -> None:
    """Message Clear Privileged."""
    _ring(cpu, 0)


@section.define("mfmsr RT", x_form(31, 83), privilege=PRIVILEGED)
def mfmsr(cpu: Trace) -> None:
    """Move From Machine State Register."""
    cpu[RT] = cpu[MSR]
