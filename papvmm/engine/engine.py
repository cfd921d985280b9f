"""The contract every engine honours."""

from collections.abc import Callable
from typing import Protocol

from papvmm.engine.exits import ExitReason
from papvmm.engine.watch import Watch
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.state import ArchState


class Engine(Protocol):
    """Executes guest instructions on the state of one vcpu.

    ``run`` is synchronous and never blocks: it touches guest state and guest RAM only, and
    says why it stopped. Interrupts that the processor itself raises (storage, program, system
    call, decrementer, …) are delivered inside ``run``. Everything that can wait (devices,
    hypercalls, other vcpus) happens between two calls.

    Time is the state's ``NOW`` cell, the machine-wide count: the machine sets it before a run,
    ``run`` adds one for each instruction completed, and the time base and the decrementer
    follow from it. What else comes from outside is in ``engine/inputs.py``.
    """

    @property
    def state(self) -> ArchState:
        """The registers: exact whenever ``run`` is not running."""
        ...

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at, before their instruction; may change between runs."""
        ...

    @property
    def watchpoints(self) -> set[Watch]:
        """Accesses to data to stop for, before their instruction; may change between runs."""
        ...

    @property
    def interrupted(self) -> list[Callable[[Interrupt], None]]:
        """Who is told of each interrupt that was taken, but for those of ``sc`` and ``scv``."""
        ...

    def locate(self, ea: int) -> int | None:
        """Return the real address of the byte of data at ``ea``, in the context of MSR[DR].

        None if there is none in RAM. Nobody's permissions count, and no access is recorded.
        """
        ...

    def run(self, budget: int) -> ExitReason:
        """Complete exactly ``budget`` instructions, unless something stops the vcpu first.

        A breakpoint at the very first instruction does not stop a run that starts there, unless
        the run before came there and ended with a hypercall or a kick. A watchpoint does not
        stop a run for the very instruction that the run before stopped for.
        Interrupts are taken before an instruction of the run, never after its last.
        """
        ...

    def kick(self) -> None:
        """Have the run that is going on, or else the next one, end early, with ``Kicked``.

        Another thread may call it. Native code leaves at its next branch, Python code when it
        comes to it: in well under the time that a budget takes.
        """
        ...
