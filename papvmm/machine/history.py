"""A guest's history: where it is in its run, and the way back.

``History(guest)`` begins it: from then on checkpoints are made while the guest runs, and inputs
from outside are noted with their moments. To go back to a moment, the guest is put back to the
checkpoint before it and does again what it did, up to there.

A guest that has gone back and runs on does what it did, inputs among it, up to where its history
ends: what comes from outside is taken from then on. An input that comes earlier than that ends
the history there: the old future never happened.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import thread_time
from typing import Final, TypeAlias

from papvmm.machine.checkpoints import Checkpoints
from papvmm.machine.guest import Guest
from papvmm.machine.inputs import Input
from papvmm.machine.outcome import GuestAccess, Outcome, Paused
from papvmm.machine.player import Noted, Player
from papvmm.machine.position import LATER, Phase, Position, last_at, phase_of
from papvmm.trace.events import HvWrite
from papvmm.vcpu.vcpu import Vcpu

APART: Final = 0.06
"""Seconds of CPU time between two checkpoints, at least."""
FARTHEST: Final = 0.7
"""The same, at most, so that it takes less than a second to go back a little."""
DEAREST: Final = 30
"""How many times as long as a checkpoint takes the guest runs until the next one, at least,
unless that is too long."""
FAR: Final = 1 << 24
"""Instructions done again between two looks at whether it is time for a checkpoint."""
RECORDED: Final = "end of the recording"
"""Why a guest pauses that has done again all that a recording tells of."""
STRETCH: Final = 1 << 20
"""Instructions done again in one go, at most, so that others get their turn."""

GivesUp: TypeAlias = Callable[[], bool]
GAVE_UP: Final = Paused("somebody gave up the way back")
"""How a search ends that a ``GivesUp`` has ended; ``bool()`` never does."""


class History:
    """The history of one guest, beginning now.

    It may have a future: the inputs of a recording, and where that ends. The guest pauses there.
    """

    def __init__(
        self, guest: Guest, tape: Sequence[Noted] = (), end: Position | None = None
    ) -> None:
        self.guest: Final = guest
        self._player: Final = Player(guest)
        self._player.tape = list(tape)
        self._brink = end
        """Where a recording ends."""
        self._end = end
        """Where history ends, while the guest is before that."""
        self._checkpoints: Final = Checkpoints(guest, self.position)
        self._next = thread_time() + APART
        guest.history = self

    @property
    def position(self) -> Position:
        """Where the guest is in its run."""
        return self._player.here

    @property
    def begin(self) -> Position:
        """Where history begins."""
        return self._checkpoints.positions[0]

    @property
    def end(self) -> Position:
        """Where it ends: the latest moment the guest has seen."""
        return self._end or self.position

    @property
    def checkpoints(self) -> tuple[Position, ...]:
        """Where the guest can be put to at once."""
        return self._checkpoints.positions

    @property
    def size(self) -> int:
        """Bytes of memory that it takes, about."""
        return self._checkpoints.size

    @property
    def is_past(self) -> bool:
        """Whether the guest has gone back, and does what it did."""
        return self._end is not None

    @property
    def ran_last(self) -> Vcpu | None:
        """The vcpu that executed the instruction before this moment; None if it is not known."""
        icount = self.position.icount
        ids = (vcpu_id for vcpu_id, count in self._player.latest.items() if count == icount)
        return next(map(self.guest.find_vcpu, ids), None)

    def close(self) -> None:
        """Let go of it all; a guest that has gone back stays there, without a future."""
        self._checkpoints.close()
        self.guest.history = None

    # While the guest runs.

    def note(self, given: Input) -> None:
        """Be told of an input that is about to be taken."""
        if self._end is not None:
            self._end = self._brink = None
            self.guest.console.shown = self.guest.console.written
        self._player.note(given)

    def go_on(self, icount: int, until: Vcpu | None = None) -> Outcome | None:
        """Do again what the guest did, a stretch of it, up to an instruction count at most.

        The stretch ends where a vcpu gets its turn, if one is given.
        """
        assert self._end is not None
        here = self.position
        goal = min(self._end, Position(min(icount, here.icount + STRETCH), 0, 0, 0))
        happened = self._player.play(goal, lambda _: False, heeds=True, until=until)
        if self._player.reached(self._end):
            self._end = None
            if self._brink is not None and self._player.reached(self._brink):
                self._brink = self.position if self._brink.stop == LATER else self._brink
                if self.position == self._brink:
                    happened = happened or Paused(RECORDED)
        self.tick()
        return happened

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint, for which the guest must be within a slice."""
        return thread_time() >= self._next

    def tick(self) -> None:
        """Make a checkpoint, if it is time to: to be called every few milliseconds."""
        if not self.is_due or phase_of(self.guest) is not Phase.INSIDE:
            return
        begin = thread_time()
        self._checkpoints.add(self.position)
        end = thread_time()
        self._next = end + max(APART, min(DEAREST * (end - begin), FARTHEST))

    # Going back.

    def seek(self, where: int | Position) -> Position:
        """Bring the guest to a moment; return the position it is at then.

        Of the moments with an instruction count it is the last one, when the next instruction
        comes next. History may end before. NoHistory if it begins later.
        """
        goal = last_at(where) if isinstance(where, int) else where
        self._reach(min(goal, self.end))
        return self.position

    def step_back(self, vcpu: Vcpu, gives_up: GivesUp = bool) -> bool:
        """Bring the guest to where a vcpu was about to execute the instruction it did last.

        Tell whether there is such a moment; if not, the guest is where history begins. ``gives_up``
        is asked now and then; if it says so, the guest stays where it has got to, in the past.
        """
        latest = self._latest_of(vcpu, gives_up)
        if latest is None and self.position != self.begin:
            return True
        self._reach(self.begin if latest is None else last_at(latest - 1))
        return latest is not None

    def run_back(self, gives_up: GivesUp = bool) -> Outcome | None:
        """Bring the guest to the latest moment before this one at which it would have stopped.

        What stops it are breakpoints and watchpoints as they are in the engines. Return what
        did; None if nothing would, and the guest is where history begins; or ``GAVE_UP``, and it is
        where the way back has led, if ``gives_up`` says so, which is asked now and then.
        """
        present = self.position
        hits: list[tuple[Position, Outcome]] = []

        def note(outcome: Outcome) -> bool:
            if self.position < present or self.guest.inside is None:
                hits.append((self.position, outcome))
            return True

        if not self._scan_back(note, lambda: bool(hits) or gives_up()):
            return None
        if not hits:
            return GAVE_UP
        position, outcome = hits[-1]
        self._reach(position)
        if isinstance(outcome, Paused) and isinstance(outcome.hit, GuestAccess):
            self._excuse()
        return outcome

    def _latest_of(self, vcpu: Vcpu, gives_up: GivesUp) -> int | None:
        """Return the count after the instruction that a vcpu executed last, if any."""
        scheduler, icount = self.guest.scheduler, self.position.icount
        if scheduler.current is vcpu and scheduler.left < scheduler.slice_counts:
            return icount if icount > self.begin.icount else None
        latest = self._player.latest
        self._scan_back(None, lambda: vcpu.vcpu_id in latest or gives_up())
        return latest.get(vcpu.vcpu_id)

    def _scan_back(
        self, on_stop: Callable[[Outcome], bool] | None, found: Callable[[], bool]
    ) -> bool:
        """Do again what the guest did since the latest checkpoint, then before that, and so on.

        Return as soon as something is ``found`` in what was done, or False at the
        beginning of history. Stops are left out unless somebody is told of them.
        """
        end = self.position
        while before := [at for at in self._checkpoints.positions if at < end]:
            start = before[-1]
            self._go_back(start)
            self._player.latest.clear()
            with _unseen(self.guest, stops=on_stop is not None):
                self._player.play(end, on_stop)
                # Where no vcpu has entered the guest since, nobody has been told of stores yet.
                if on_stop is not None and (stores := self.guest.take_stores()):
                    on_stop(stores)
            if found():
                return True
            end = start
        self._reach(self.begin)
        return False

    def _excuse(self) -> None:
        """Let the access that comes next not stop the guest again when it goes on."""
        vcpu = self.guest.caller
        breakpoints = set(vcpu.engine.breakpoints)
        vcpu.engine.breakpoints.clear()
        vcpu.engine.run(1)
        vcpu.engine.breakpoints.update(breakpoints)

    def _reach(self, goal: Position) -> None:
        """Bring the guest to a moment of history, unseen."""
        if goal < self.position:
            self._go_back(goal)
        with _unseen(self.guest, stops=False):
            while True:
                soon = Position(self.position.icount + FAR, 0, 0, 0)
                happened = self._player.play(min(goal, soon))
                if soon >= goal or happened is not None:
                    break
                self.tick()
            if self.guest.inside is not None:
                # Breakpoints where the guest is now don't stop it when it goes on.
                self.guest.inside.engine.run(0)
        if self._end is not None and self._player.reached(self._end):
            self._end = None

    def _go_back(self, position: Position) -> None:
        """Put the guest back to the latest checkpoint that is not after ``position``."""
        self._end = self._end or self.position
        self._player.had = self._checkpoints.go_back(position).inputs
        self.guest.take_stores()


@contextmanager
def _unseen(guest: Guest, *, stops: bool) -> Iterator[None]:
    """Let nobody see what a guest does again; and, but for ``stops``, nothing stop it."""
    wanted = guest.door.tracer.wanted
    kept = set(wanted)
    engines = [vcpu.engine for vcpu in guest.vcpus]
    places = [(set(engine.breakpoints), set(engine.watchpoints)) for engine in engines]
    wanted.clear()
    if not stops:
        for engine in engines:
            engine.breakpoints.clear()
            engine.watchpoints.clear()
    elif any(engine.watchpoints for engine in engines):
        wanted.add(HvWrite)
    try:
        yield
    finally:
        wanted.update(kept)
        for engine, (breakpoints, watchpoints) in zip(engines, places, strict=True):
            engine.breakpoints.update(breakpoints)
            engine.watchpoints.update(watchpoints)
