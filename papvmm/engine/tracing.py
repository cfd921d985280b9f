"""The trace facility: which instructions end in a trace interrupt (Book III, 6.5.15)."""

from typing import Final, NamedTuple

from papvmm.engine.storage import Touch
from papvmm.isa.decode import Decoded
from papvmm.isa.interrupts import TRACED, TRACED_LOAD, TRACED_STORE
from papvmm.isa.ir import Branch, BranchTo, Template
from papvmm.isa.msr import MSR_BE, MSR_SE, TRACING
from papvmm.mmu.translate import Access

NEVER_TRACED: Final = ("sc", "rfid", "rfscv")
"""An interrupt of its own; returns, where the MSR they bring decides about the next one."""


class Traced(NamedTuple):
    """What a trace interrupt tells: SRR1 bits, and where data was accessed, if any was."""

    causes: int
    touched: Touch | None


def traced(decoded: Decoded, template: Template, msr: int, touched: Touch | None) -> Traced | None:
    """Return what the trace interrupt after an instruction tells; None if there is none.

    The instruction has completed under this MSR, and accessed this first.
    """
    if not msr & TRACING or decoded.instruction.mnemonic in NEVER_TRACED:
        return None
    is_branch = isinstance(template.end, Branch | BranchTo)
    if not (msr & MSR_SE or (is_branch and msr & MSR_BE)):
        return None
    match touched:
        case Touch(Access.STORE):
            return Traced(TRACED | TRACED_STORE, touched)
        case Touch():
            return Traced(TRACED | TRACED_LOAD, touched)
        case None:
            return Traced(TRACED, None)
