"""A machine as a debugger steers it: what it is told to do, and why it came to rest."""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.control.control import Control
from papvmm.control.gdb.points import Breakpoint, Points
from papvmm.control.gdb.registers import Register
from papvmm.control.gdb.stops import (
    ATTACHED,
    BEGIN,
    BREAKPOINT,
    SIGABRT,
    SIGINT,
    SIGTERM,
    SIGTRAP,
    STEPPED,
    Ended,
    Stop,
    Stopped,
    stopped,
)
from papvmm.isa.state import CIA
from papvmm.machine.guest import FOREVER
from papvmm.machine.history import History
from papvmm.machine.inputs import Registers
from papvmm.machine.outcome import GuestAccess, Outcome, Paused
from papvmm.machine.position import last_at
from papvmm.machine.runstate import RunState
from papvmm.vcpu.vcpu import Vcpu

RESTING: Final = (RunState.CREATED, RunState.PAUSED)
WORD: Final = 8
"""Bytes of a vcpu's state that are compared at a time."""

Verdict: TypeAlias = Callable[[Outcome], tuple[int, str]]
"""Tells the exit code of a run that ended so, and what people are told; empty if nothing is."""


class Debuggee:
    """A machine under a debugger. With a ``history`` there is a way back.

    Where the guest would end the machine it pauses first, so that people can see how it came to
    that.
    """

    def __init__(self, control: Control, verdict: Verdict, history: History | None = None) -> None:
        self.control: Final = control
        self.machine: Final = control.machine
        self.guest: Final = self.machine.guest
        self.vcpus: Final = self.guest.vcpus
        self.points: Final = Points(self.vcpus)
        self.history: Final = history
        self._verdict: Final = verdict
        self._stepped: Vcpu | None = None
        self._turned_back: Stopped | None = None
        """Where the way back has led to, until the guest goes on."""
        self._is_interrupted = False
        """Whether an interruption came before what it is to interrupt."""
        self.hears: Callable[[], bool] = lambda: False
        """Tells whether the debugger says something, while nobody reads what it is."""
        self._last: Vcpu = self.vcpus[0]

    # Coming and going.

    def attach(self) -> None:
        """Bring the guest to rest, wherever it is."""
        self.machine.spares = True
        self.machine.halt(ATTACHED)

    def leave(self) -> None:
        """Take back what a debugger put there; the guest stays as it is."""
        self.points.clear()
        self.machine.spares = False

    def detach(self) -> None:
        """Leave the guest, which goes on."""
        self.leave()
        if self._is_free:
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
            return Ended(self._verdict(outcome)[0])
        if self._turned_back is not None:
            return self._turned_back
        if self.machine.spared is not None:
            return self._spared(self.machine.spared)
        if outcome == Paused(STEPPED) and self._stepped is not None:
            return self._at(outcome, self._stepped)
        return self._at(outcome, self.guest.scheduler.current)

    async def go(self, *, stepped: Vcpu | None = None, limit: int = FOREVER) -> Stop:
        """Let the guest run, until it stops; or so many instructions of one vcpu, or of any."""
        if self._is_interrupted:
            self._is_interrupted = False
            return Stopped(SIGINT, self._last)
        if self.machine.run_state is not RunState.RUNNING:
            if not self._is_free:
                return self._busy()
            self._stepped, self._turned_back = stepped, None
            self.machine.resume(limit=limit, of=stepped)
        await self.machine.rest()
        return self.stop

    @property
    def _is_free(self) -> bool:
        """Whether the guest rests, and not for the sake of a dump or a migration."""
        return self.machine.run_state in RESTING and not self.control.dumps.guest_rests

    def _busy(self) -> Stop:
        """Return where a guest stays that somebody else wants to be so for the moment."""
        if self.machine.run_state is RunState.SHUTDOWN:
            return self.stop
        return Stopped(SIGINT, self._last, text="the guest rests: it is dumped, or migrates\n")

    def step_back(self, vcpu: Vcpu) -> Stop:
        """Bring the guest to where a vcpu was about to execute its last instruction."""
        assert self.history is not None
        if not self._is_free:
            return self._busy()
        found = self.history.step_back(vcpu, self._gives_up)
        return self._turn_back(Stopped(SIGTRAP, vcpu, "" if found else BEGIN))

    def go_back(self) -> Stop:
        """Bring the guest to the latest moment that would have stopped it.

        gdb goes back one more instruction of the vcpu that it is told before it looks at what is
        watched. So that is the one that ran last; and the guest is past an access.
        """
        history, scheduler = self.history, self.guest.scheduler
        assert history is not None
        if not self._is_free:
            return self._busy()
        present = history.position
        outcome = history.run_back(self._gives_up)
        if outcome is None:
            first = scheduler.current or next(iter(scheduler.waiting), self._last)
            return self._turn_back(Stopped(SIGTRAP, first, BEGIN))
        hit = outcome.hit if isinstance(outcome, Paused) else None
        if isinstance(hit, GuestAccess):
            history.seek(min(present, last_at(history.position.icount + 1)))
            return self._turn_back(self._at(outcome, self.guest.find_vcpu(hit.vcpu_id)))
        return self._turn_back(self._at(outcome, (hit and history.ran_last) or scheduler.current))

    def _gives_up(self) -> bool:
        return self._is_interrupted or self.hears()

    def _turn_back(self, stop: Stopped) -> Stop:
        self.machine.spared = None
        self._turned_back, self._last = stop, stop.vcpu
        return stop

    def _at(self, outcome: Outcome, vcpu: Vcpu | None) -> Stopped:
        """Return what an outcome is to a debugger, where a vcpu had the turn or none had."""
        self._last = vcpu or self._last
        stop = stopped(outcome, self.guest, self._last)
        return stop.replace(reason=self._kind()) if outcome == Paused(BREAKPOINT) else stop

    def _spared(self, end: Outcome) -> Stopped:
        """Return what a guest's end, which is still to come, is to a debugger."""
        self._last = self.guest.scheduler.current or self._last
        code, message = self._verdict(end)
        text = message or f"the guest ends @ {self.guest.clock.icount:,}"
        return Stopped(SIGABRT if code else SIGTERM, self._last, text=f"{text}\n")

    def _kind(self) -> str:
        """Return gdb's word for the breakpoint at which a vcpu is."""
        here = Breakpoint(is_hardware=False, address=self._last.state.read(CIA))
        return "swbreak:" if here in self.points else "hwbreak:"

    def interrupt(self, *, is_early: bool) -> None:
        """Stop a guest that runs, at once; or as soon as it does, if that is asked for already."""
        if self.machine.run_state is RunState.RUNNING:
            self.machine.halt("the debugger interrupted")
        else:
            self._is_interrupted = is_early

    def forget_interruption(self) -> None:
        """Be told that what was to be interrupted does not come."""
        self._is_interrupted = False

    # Registers.

    def put(self, vcpu: Vcpu, register: Register, value: int) -> bool:
        """Give a register a value, as an input that is noted; return False if that can't be."""
        if register.put is None:
            return False
        buffer = vcpu.state.buffer
        before = bytes(buffer)
        done = register.put(vcpu, value)
        after = bytes(buffer)
        buffer[:] = before
        changes = tuple(
            (at, after[at : at + WORD])
            for at in range(0, len(after), WORD)
            if after[at : at + WORD] != before[at : at + WORD]
        )
        if changes:
            self.guest.take(Registers(vcpu.vcpu_id, changes))
        return done
