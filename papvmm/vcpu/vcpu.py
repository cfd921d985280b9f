"""A virtual processor: architected state, an engine that runs it, its areas and its run-state."""

from dataclasses import dataclass
from enum import Enum, auto

from papvmm.engine.engine import Engine
from papvmm.isa.state import ArchState
from papvmm.vpa.areas import VcpuAreas


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
