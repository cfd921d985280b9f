"""Why instructions stop, or end, what executes them."""

from enum import IntEnum
from typing import Final

from papvmm.isa.facilities import Facility, Unit

FACILITY_BASE: Final = 32


class Exit(IntEnum):
    """Why an instruction hands over to the engine instead of going on.

    Up to and including CONTEXT the instruction is complete and CIA past it; with the others
    it has done nothing and CIA is its address.
    """

    HYPERCALL = 2
    """``sc 1``, in any state: what that means is for the hypervisor to say."""
    CONTEXT = 3
    """MSR, DEC, PID, AMR, IAMR or DPDES may have changed: look again at all they govern."""
    TRAP = 4
    PRIVILEGED = 5
    ILLEGAL = 6
    ALIGNMENT = 7
    """The access at FAULT_EA is not aligned as its instruction demands."""
    HELPER = 8
    NOT_BUILT = 9
    FP_UNAVAILABLE = 10
    VECTOR_UNAVAILABLE = 11
    VSX_UNAVAILABLE = 12
    FP_ENABLED = 13
    """The instruction has made FEX one, and written what it writes, but not gone on."""
    FACILITY_DSCR = FACILITY_BASE + Facility.DSCR
    FACILITY_PM = FACILITY_BASE + Facility.PM
    FACILITY_BHRB = FACILITY_BASE + Facility.BHRB
    FACILITY_TM = FACILITY_BASE + Facility.TM
    FACILITY_EBB = FACILITY_BASE + Facility.EBB
    FACILITY_TAR = FACILITY_BASE + Facility.TAR
    FACILITY_SCV = FACILITY_BASE + Facility.SCV
    FACILITY_PREFIX = FACILITY_BASE + Facility.PREFIX
    """Facility unavailable; ``facility`` says which."""

    @property
    def completes(self) -> bool:
        """Tell whether the instruction that leaves is done, and counts."""
        return self <= Exit.CONTEXT

    @property
    def facility(self) -> Facility:
        """The facility that a FACILITY exit misses: the interrupt cause for FSCR[0:7]."""
        return Facility(self - FACILITY_BASE)

    @classmethod
    def unavailable(cls, facility: Facility) -> "Exit":
        """Return the exit for a missing facility."""
        return cls(FACILITY_BASE + facility)


UNAVAILABLE: Final = {
    Unit.FP: Exit.FP_UNAVAILABLE,
    Unit.VECTOR: Exit.VECTOR_UNAVAILABLE,
    Unit.VSX: Exit.VSX_UNAVAILABLE,
}
