"""A virtual processor: architected state, an engine that runs it, its areas and its run-state."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from papvmm.engine.engine import Engine
from papvmm.isa.state import CIA, GPR, MSR, ArchState
from papvmm.vpa.areas import VcpuAreas

MSR_SF: Final = 1 << 63
MSR_EE: Final = 0x8000
MSR_ME: Final = 0x1000

POWER_ON_MSR: Final = MSR_SF | MSR_ME
"""64-bit, big-endian, real mode, interrupts off, not the hypervisor."""


class VcpuRunState(Enum):
    """What a vcpu waits for."""

    STOPPED = auto()
    """Not started, or after RTAS stop-self: start-cpu starts it."""
    RUNNABLE = auto()
    CEDED = auto()
    """In H_CEDE: an interrupt or H_PROD wakes it."""


@dataclass(slots=True, eq=False)
class Vcpu:
    """State of one vcpu; ``vcpu_id`` is the PAPR interrupt server number."""

    vcpu_id: int
    engine: Engine
    areas: VcpuAreas
    run_state: VcpuRunState = VcpuRunState.STOPPED
    prodded: bool = False
    stolen_counts: int = 0
    """Virtual time (ns) in which the vcpu could have run but waited for its turn."""

    @property
    def state(self) -> ArchState:
        """The registers."""
        return self.engine.state

    def start(self, entry: int, r3: int) -> None:
        """Begin at real address ``entry`` as a processor that start-cpu has started does."""
        state = self.state
        state.write(CIA, entry)
        state.write(MSR, POWER_ON_MSR)
        state.write(GPR, r3, 3)
        self.prodded = False
        self.run_state = VcpuRunState.RUNNABLE

    def stop(self) -> None:
        """Stop until ``start``."""
        self.run_state = VcpuRunState.STOPPED

    def cede(self) -> bool:
        """Enable interrupts and wait for one, as H_CEDE does; tell whether the vcpu waits.

        A prod that came before is used up instead, and the vcpu goes on.
        """
        self.state.write(MSR, self.state.read(MSR) | MSR_EE)
        if self.prodded:
            self.prodded = False
            return False
        self.run_state = VcpuRunState.CEDED
        return True

    def wake(self) -> bool:
        """End a cede; tell whether there was one."""
        if self.run_state is not VcpuRunState.CEDED:
            return False
        self.run_state = VcpuRunState.RUNNABLE
        return True

    def prod(self) -> bool:
        """Remember a prod, and end a cede; tell whether it did.

        The prod is kept for the next H_CEDE even if it ended one, as KVM does and PAPR does not.
        """
        self.prodded = True
        return self.wake()
