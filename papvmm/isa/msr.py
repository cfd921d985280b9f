"""Bits of the machine state register (Power ISA v3.0B, Book III, 3.2.1), as Linux names them."""

from typing import Final

MSR_SF: Final = 1 << 63
"""64-bit mode."""
MSR_HV: Final = 1 << 60
MSR_TS: Final = 3 << 33
MSR_TM: Final = 1 << 32
MSR_VEC: Final = 1 << 25
MSR_VSX: Final = 1 << 23
MSR_EE: Final = 1 << 15
MSR_PR: Final = 1 << 14
"""Problem state: privileged instructions are interrupts."""
MSR_FP: Final = 1 << 13
MSR_ME: Final = 1 << 12
MSR_FE0: Final = 1 << 11
MSR_SE: Final = 1 << 10
"""Single-step trace."""
MSR_BE: Final = 1 << 9
"""Branch trace."""
MSR_FE1: Final = 1 << 8
MSR_IR: Final = 1 << 5
MSR_DR: Final = 1 << 4
MSR_PMM: Final = 1 << 2
MSR_FE: Final = MSR_FE0 | MSR_FE1
"""Enabled floating-point exceptions are interrupts; of which mode, makes no difference here."""
TRACING: Final = MSR_SE | MSR_BE
MSR_RI: Final = 1 << 1
MSR_LE: Final = 1 << 0

MSR_GUEST: Final = (
    MSR_SF | MSR_VEC | MSR_VSX | MSR_EE | MSR_PR | MSR_FP | MSR_ME | MSR_FE0 | MSR_SE | MSR_BE
    | MSR_FE1 | MSR_IR | MSR_DR | MSR_PMM | MSR_RI | MSR_LE
)  # fmt: skip
"""Bits a guest can hold: HV stays 0, and so do TS and TM, as transactions are not offered."""
