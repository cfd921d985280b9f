"""The trace facility: which instructions end in a trace interrupt (Book III, 6.5.15)."""

from typing import Final

from papvmm.engine.storage import Touch
from papvmm.isa.decode import Decoded
from papvmm.isa.interrupts import TRACED, TRACED_LOAD, TRACED_STORE
from papvmm.isa.ir import Branch, BranchTo, Template
from papvmm.isa.msr import MSR_BE, MSR_SE
from papvmm.mmu.translate import Access

TRACING: Final = MSR_SE | MSR_BE
NEVER_TRACED: Final = ("sc", "rfid", "rfscv")
"""An interrupt of its own; returns, where the MSR they bring decides about the next one."""


def is_traced(decoded: Decoded, template: Template, msr: int) -> bool:
    """Tell whether an instruction that completed under this MSR ends in a trace interrupt."""
    if decoded.instruction.mnemonic in NEVER_TRACED:
        return False
    is_branch = isinstance(template.end, Branch | BranchTo)
    return bool(msr & MSR_SE) or (is_branch and bool(msr & MSR_BE))


def trace_causes(touched: Touch | None) -> int:
    """Return the SRR1 bits of a trace interrupt."""
    match touched:
        case Touch(Access.STORE):
            return TRACED | TRACED_STORE
        case Touch():
            return TRACED | TRACED_LOAD
        case None:
            return TRACED
