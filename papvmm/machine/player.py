"""Drives a guest through what happened to it: the same inputs at the same moments.

Between two inputs a guest does what it does by itself. How far it is driven at a time makes no
difference to it.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from papvmm.errors import PapvmmError
from papvmm.isa.state import CIA
from papvmm.kvmapi.registers import OneRegError
from papvmm.machine.guest import Guest
from papvmm.machine.inputs import Input
from papvmm.machine.outcome import NoProgress, Outcome, Paused
from papvmm.machine.position import LATER, Phase, Position, phase_of
from papvmm.vcpu.vcpu import Vcpu


class Diverged(PapvmmError):
    """A guest has not done what it did; ``position`` is where that was noticed."""

    def __init__(self, position: Position, why: str) -> None:
        super().__init__(f"replay diverged {position}: {why}")
        self.position = position


class Noted(NamedTuple):
    """An input, and when it came."""

    position: Position
    given: Input


class Player:
    """A guest and its tape: all inputs there were, of which it has had ``had`` so far."""

    def __init__(self, guest: Guest) -> None:
        self.guest: Final = guest
        self.tape: list[Noted] = []
        self.had = 0
        self.latest: Final[dict[int, int]] = {}
        """By id of the vcpu, the instruction count after what it did last."""

    @property
    def here(self) -> Position:
        """Where the guest is."""
        guest, clock = self.guest, self.guest.clock
        stop = 0 if guest.stopped_at is None else guest.stopped_at + 1
        return Position(clock.icount, self.had, clock.count, phase_of(guest), stop)

    def note(self, given: Input) -> None:
        """Have the guest take an input now, which ends the tape."""
        self.tape[self.had :] = [Noted(self.here, given)]
        self.had += 1

    def play(
        self,
        goal: Position,
        on_stop: Callable[[Outcome], bool] | None = None,
        *,
        heeds: bool = False,
        until: Vcpu | None = None,
    ) -> Outcome | None:
        """Drive the guest to ``goal``, and not beyond; return what ended it before that.

        ``on_stop`` is told what else stopped it on the way, and answers whether to go on; without
        it the guest does.
        With ``heeds`` it is driven no further than to the next guest exit that somebody waits for,
        and in any case not beyond where ``until`` has its turn.
        """
        guest = self.guest
        while not self.reached(goal):
            if heeds and guest.heed and guest.inside is None:
                return None
            if until is not None and guest.scheduler.current is until:
                return None
            happened = self.step(goal)
            if happened is None:
                continue
            if not isinstance(happened, Paused) or (on_stop and not on_stop(happened)):
                return happened
        return None

    def reached(self, goal: Position) -> bool:
        """Tell whether the guest is at a moment, or past it."""
        return self.here >= goal or (goal.stop == LATER and self._is_last_at(goal.icount))

    def _is_last_at(self, icount: int) -> bool:
        """Tell whether an instruction comes next that is beyond a goal with this count."""
        guest = self.guest
        return (
            guest.clock.icount >= icount
            and phase_of(guest) is Phase.INSIDE
            and not self._is_due(self.here)
        )

    def _is_due(self, here: Position) -> bool:
        return self.had < len(self.tape) and self.tape[self.had].position <= here

    def take_due(self) -> None:
        """Have the guest take the inputs that came before it did anything more."""
        while self._is_due(here := self.here):
            self._take(here)

    def step(self, goal: Position) -> Outcome | None:
        """Do what comes next, but nothing beyond ``goal`` or the next input."""
        guest, here = self.guest, self.here
        if self._is_due(here):
            self._take(here)
            return None
        bound = min(goal, self.tape[self.had].position) if self.had < len(self.tape) else goal
        guest.wake_due()
        if guest.scheduler.current is None:
            return self._idle()
        left = bound.icount - here.icount
        if left > 0:
            runs = guest.caller
            happened = guest.advance(here.time + left)
            if guest.clock.icount > here.icount:
                self.latest[runs.vcpu_id] = guest.clock.icount
            return happened
        match here.phase:
            case Phase.OUTSIDE:
                return guest.enter(guest.caller) or guest.take_stores()
            case Phase.INSIDE:
                return self._stop(here, bound)
            case _:
                return guest.advance(here.time)

    def _stop(self, here: Position, goal: Position) -> Outcome | None:
        """Have the vcpu that is inside stop where a breakpoint has stopped it once."""
        vcpu, cia = self.guest.caller, goal.stop - 1
        if here[:-1] != goal[:-1]:
            raise Diverged(here, f"what came next there was {self._next()}")
        if vcpu.state.read(CIA) == cia:
            self.guest.stopped_at = cia
            return None
        places = vcpu.engine.breakpoints
        is_new = cia not in places
        places.add(cia)
        happened = self.guest.advance(here.time + 1)
        if is_new:
            places.remove(cia)
        if self.here != goal:
            raise Diverged(self.here, f"a breakpoint at {cia:#x} stopped it {goal}")
        return happened

    def _idle(self) -> Outcome | None:
        """Begin a turn; if there is none, let time pass until there is."""
        guest = self.guest
        if guest.next_turn() is None:
            timer = guest.next_timer()
            if timer is None:
                return NoProgress()
            guest.clock.warp_to(timer)
        return None

    def _take(self, here: Position) -> None:
        noted = self.tape[self.had]
        # A breakpoint that is new stops at an input, too: no interrupt has been taken before.
        if noted.position[:-1] != here[:-1] or noted.position.stop not in (0, here.stop):
            raise Diverged(here, f"{self._next()} came {noted.position}, in another phase")
        self.had += 1
        self.guest.wake_due()
        with suppress(OneRegError):  # It was refused then, too.
            noted.given.apply(self.guest)

    def _next(self) -> str:
        if self.had < len(self.tape):
            return type(self.tape[self.had].given).__name__
        return "the end"
