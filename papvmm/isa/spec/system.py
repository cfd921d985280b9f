"""Traps, system linkage, special purpose registers (Power ISA v3.0B, I 3.3.11, III 3 and 4)."""

from typing import Final

from papvmm.isa.forms import d_form, sc_form, x_form
from papvmm.isa.instruction import Section
from papvmm.isa.ir import Exit
from papvmm.isa.operands import L15, RA, RB, RS, RT, SI, SPR, TO, SPRr
from papvmm.isa.state import CTR, LR, MSR, SRR0, SRR1, XER_BITS, XER_LOW, Cell
from papvmm.isa.trace import Trace, Value

section: Final = Section()

SPR_XER: Final = 1
SPR_TB: Final = 268
SPR_CELLS: Final[dict[int, Cell]] = {8: LR, 9: CTR, 26: SRR0, 27: SRR1}

SPR_PRIVILEGED: Final = 0x10
"""SPRs whose number has this bit are privileged."""

TICKS: Final = 64
INSTRUCTIONS: Final = 125
"""Virtual time: 512 MHz of time base for 1000 million instructions a second."""

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
    cpu.leave(Exit.SYSTEM_CALL, cpu.nia)


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


@section.define("mtspr SPR,RS", x_form(31, 467))
def mtspr(cpu: Trace) -> None:
    """Move To Special Purpose Register."""
    if cpu.problem_state and cpu.static(SPR) & SPR_PRIVILEGED:
        cpu.privileged()
    elif cpu.static(SPR) == SPR_XER:
        cpu[XER_LOW] = cpu[RS] & 0x3FFFF
        for cell, bit in XER_BITS:
            cpu[cell] = cpu[RS].bit(bit)
    else:
        cpu[SPR_CELLS[cpu.static(SPR)]] = cpu[RS]


@section.define("mfspr RT,SPRr", x_form(31, 339))
def mfspr(cpu: Trace) -> None:
    """Move From Special Purpose Register."""
    number = cpu.static(SPRr)
    if cpu.problem_state and number & SPR_PRIVILEGED:
        cpu.privileged()
    elif number == SPR_TB:
        mftb(cpu)
    elif number == SPR_XER:
        word = cpu[XER_LOW]
        for cell, bit in XER_BITS:
            word = word | (cpu[cell].zext(64) << (63 - bit))
        cpu[RT] = word
    else:
        cpu[RT] = cpu[SPR_CELLS[number]]


@section.define("mftb RT,TBR", x_form(31, 371))
def mftb(cpu: Trace) -> None:
    """Move From Time Base."""
    cpu[RT] = (cpu.now * TICKS).udiv(cpu.const(INSTRUCTIONS))
