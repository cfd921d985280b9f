"""Traps, system linkage and the MSR (Power ISA v3.0B, Book I, 3.3.11; Book III, 3 and 4.4)."""

from typing import Final

from papvmm.isa.forms import d_form, sc_form, x_form
from papvmm.isa.instruction import Section
from papvmm.isa.ir import Exit
from papvmm.isa.operands import L15, LEV, RA, RB, RS, RT, SI, TO
from papvmm.isa.state import MSR, SRR0, SRR1
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section()

MSR_EE_RI: Final = 0x8002
"""What mtmsrd with L=1 changes."""


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
    """System Call."""
    cpu.leave(Exit.HYPERCALL if cpu.static(LEV) else Exit.SYSTEM_CALL, cpu.nia)


@section.define("rfid", x_form(19, 18), is_privileged=True)
def rfid(cpu: Trace) -> None:
    """Return From Interrupt Doubleword."""
    cpu[MSR] = cpu[SRR1]
    cpu.leave(Exit.CONTEXT, cpu[SRR0] & ~3)


@section.define("mtmsrd RS,L15", x_form(31, 178), is_privileged=True)
def mtmsrd(cpu: Trace) -> None:
    """Move To Machine State Register Doubleword."""
    if cpu.static(L15):
        cpu[MSR] = (cpu[MSR] & ~MSR_EE_RI) | (cpu[RS] & MSR_EE_RI)
    else:
        cpu[MSR] = cpu[RS]
    cpu.leave(Exit.CONTEXT, cpu.nia)


@section.define("mfmsr RT", x_form(31, 83), is_privileged=True)
def mfmsr(cpu: Trace) -> None:
    """Move From Machine State Register."""
    cpu[RT] = cpu[MSR]
