"""Facilities that a guest's kernel switches on and off, in FSCR and in MSR."""

from enum import IntEnum

from papvmm.isa.msr import MSR_FP, MSR_VEC, MSR_VSX


class Unit(IntEnum):
    """A facility that MSR governs in every state, by its bit there."""

    FP = MSR_FP
    VECTOR = MSR_VEC
    VSX = MSR_VSX


class Facility(IntEnum):
    """What FSCR governs in problem state (MSR or MMCR0 for PM, BHRB and TM).

    The number is both the interrupt cause in FSCR[0:7] and, counted from the least
    significant bit, the FSCR bit that makes the facility available (Power ISA v3.0B,
    Book III, 6.2.11).
    """

    DSCR = 2
    PM = 3
    BHRB = 4
    TM = 5
    EBB = 7
    TAR = 8
    SCV = 12
    PREFIX = 13

    @property
    def fscr_bit(self) -> int:
        """The FSCR bit that is one while the facility is available."""
        return 1 << self
