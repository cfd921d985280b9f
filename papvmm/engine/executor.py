"""What an engine has to bring: the inner loop that runs ordinary instructions, fast."""

from typing import Protocol

from papvmm.engine.stops import StopReason
from papvmm.engine.watch import Watch
from papvmm.isa.state import ArchState


class Executor(Protocol):
    """Runs guest code on the state of one vcpu, knowing nothing of interrupts.

    ``breakpoints`` and ``watchpoints`` may change between two runs.
    """

    @property
    def state(self) -> ArchState:
        """The registers: exact, NOW included, whenever ``run`` is not running."""
        ...

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at, before their instruction."""
        ...

    @property
    def watchpoints(self) -> set[Watch]:
        """An instruction that accesses any of these as they say is an odd one."""
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
