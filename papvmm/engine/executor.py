"""What an engine has to bring: the inner loop that runs ordinary instructions, fast."""

from typing import Protocol

from papvmm.engine.stops import StopReason
from papvmm.isa.state import ArchState


class Executor(Protocol):
    """Runs guest code on the state of one vcpu, knowing nothing of interrupts.

    ``breakpoints`` may change between two runs.
    """

    @property
    def state(self) -> ArchState:
        """The registers: exact, NOW included, whenever ``run`` is not running."""
        ...

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at, before their instruction."""
        ...

    def run(self, budget: int) -> StopReason:
        """Complete ``budget`` instructions, at least one, unless something stops it first.

        The first instruction is executed even if there is a breakpoint at it. CIA is past an
        instruction that stops and completes, else at it. MSR and other context are looked at
        when a run starts: instructions that change them stop it.
        """
        ...

    def kick(self) -> None:
        """Have a run end soon, with ``Stop.KICK``, as ``Engine.kick`` says."""
        ...
