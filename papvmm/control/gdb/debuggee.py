"""A machine as a debugger steers it: what it is told to do, and why it came to rest."""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.isa.state import CIA
from papvmm.machine.guest import FOREVER
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import Outcome, Paused
from papvmm.machine.runstate import RunState
from papvmm.machine.sight import Sight
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu

SIGINT: Final = 2
SIGTRAP: Final = 5

ATTACHED: Final = "a debugger attached"
INTERRUPTED: Final = "the debugger interrupted"
STEPPED: Final = "limit"
BREAKPOINT: Final = "breakpoint"

ExitCode: TypeAlias = Callable[[Outcome], int]
"""What a run that ended so is to a shell."""


class Breakpoint(Value):
    """A breakpoint at an effective address, of one of gdb's kinds."""

    is_hardware: bool
    address: int


class Stopped(Value):
    """The guest rests: a vcpu got a signal, as gdb calls it.

    ``reason`` is more about that, in the protocol's words; empty if there is no more to say.
    """

    signal: int
    vcpu: Vcpu
    reason: str = ""


class Ended(Value):
    """The guest is no more; ``code`` is papvmm's exit code."""

    code: int


Stop: TypeAlias = Stopped | Ended


class Debuggee:
    """A machine under a debugger. ``exit_code`` says what its end is to a shell."""

    def __init__(self, machine: Machine, exit_code: ExitCode) -> None:
        self.machine: Final = machine
        self.guest: Final = machine.guest
        self.vcpus: Final = machine.guest.vcpus
        self._exit_code: Final = exit_code
        self._breakpoints: Final[set[Breakpoint]] = set()
        self._stepped: Vcpu | None = None
        self._is_interrupted = False
        """Whether an interruption came before what it is to interrupt."""
        self._last: Vcpu = self.vcpus[0]

    # Coming and going.

    def attach(self) -> None:
        """Bring the guest to rest, wherever it is."""
        self.machine.halt(ATTACHED)

    def leave(self) -> None:
        """Take what a debugger put there back; the guest stays as it is."""
        for breakpoint_ in tuple(self._breakpoints):
            self.remove(breakpoint_)

    def detach(self) -> None:
        """Leave the guest, which goes on."""
        self.leave()
        if self.machine.run_state in (RunState.CREATED, RunState.PAUSED):
            self.machine.resume()

    def kill(self) -> None:
        """End the guest."""
        self.machine.quit("gdb")

    # Steering.

    @property
    def stop(self) -> Stop:
        """Why the guest rests."""
        outcome = self.machine.outcome
        if self.machine.run_state is RunState.SHUTDOWN:
            return Ended(self._exit_code(outcome))
        current = self.guest.scheduler.current
        if outcome == Paused(STEPPED) and self._stepped is not None:
            current = self._stepped
        self._last = current or self._last
        if outcome == Paused(BREAKPOINT):
            return Stopped(SIGTRAP, self._last, self._kind_of_breakpoint())
        is_trap = outcome in (Paused(STEPPED), Paused(ATTACHED))
        return Stopped(SIGTRAP if is_trap else SIGINT, self._last)

    async def go(self, *, stepped: Vcpu | None = None, limit: int = FOREVER) -> Stop:
        """Let the guest run, until it stops; or so many instructions of one vcpu, or of any."""
        if self._is_interrupted:
            self._is_interrupted = False
            return Stopped(SIGINT, self._last)
        self._stepped = stepped
        if self.machine.run_state in (RunState.CREATED, RunState.PAUSED):
            self.machine.resume(limit=limit, of=stepped)
        await self.machine.rest()
        return self.stop

    def interrupt(self, *, is_early: bool) -> None:
        """Stop a guest that runs, at once; or as soon as it does, if that is asked for already."""
        if self.machine.run_state is RunState.RUNNING:
            self.machine.halt(INTERRUPTED)
        else:
            self._is_interrupted = is_early

    def forget_interruption(self) -> None:
        """Be told that what was to be interrupted does not come."""
        self._is_interrupted = False

    def _kind_of_breakpoint(self) -> str:
        address = self._last.state.read(CIA)
        is_hardware = Breakpoint(is_hardware=False, address=address) not in self._breakpoints
        return "hwbreak:" if is_hardware else "swbreak:"

    # Breakpoints.

    def insert(self, breakpoint_: Breakpoint) -> None:
        """Stop every vcpu that comes to an address; once more is no more."""
        self._breakpoints.add(breakpoint_)
        for vcpu in self.vcpus:
            vcpu.engine.breakpoints.add(breakpoint_.address)

    def remove(self, breakpoint_: Breakpoint) -> None:
        """Stop nobody there any more."""
        self._breakpoints.discard(breakpoint_)
        if breakpoint_.address not in {other.address for other in self._breakpoints}:
            for vcpu in self.vcpus:
                vcpu.engine.breakpoints.discard(breakpoint_.address)

    # State.

    def sight(self, vcpu: Vcpu) -> Sight:
        """Return what a vcpu sees of storage."""
        return Sight(vcpu.state, self.guest.memory, self.guest.hash_table)
