"""How long a guest may run in one go, so that whoever else waits gets a turn in time."""

from time import monotonic
from typing import Final

from papvmm.machine.guest import Guest
from papvmm.machine.outcome import Outcome
from papvmm.vcpu.vcpu import Vcpu

SHORTEST: Final = 20_000
"""Instructions that are run in one go, at first: some 5 ms of the Python engine."""
LONGEST: Final = 1 << 24
TURN: Final = 0.003
"""Seconds between two turns of everybody else, about; stretches become as long as fits."""


class Stretches:
    """Lets a guest run a stretch at a time, of as many instructions as its speed suggests.

    ``turn`` is how many seconds that may take.
    """

    def __init__(self, turn: float = TURN) -> None:
        self._turn: Final = turn
        self._length = SHORTEST

    def advance(self, guest: Guest, limit: int, until: Vcpu | None = None) -> Outcome | None:
        """Run a stretch of the turn that has begun, up to instruction count ``limit`` at most.

        What was run before is run again up to the next turn of a vcpu, if one is given.
        """
        clock, history = guest.clock, guest.history
        if history is not None and history.is_past:
            return history.go_on(limit, until)
        stretch = min(self._length, limit - clock.icount)
        if history is not None and history.is_due and guest.scheduler.left > 1:
            stretch = min(stretch, guest.scheduler.left // 2)
        end, begin = clock.count + stretch, monotonic()
        happened = guest.advance(end)
        spent = monotonic() - begin
        if spent > self._turn:
            self._length = max(SHORTEST, self._length // 2)
        elif spent < self._turn / 4 and clock.count >= end:
            self._length = min(LONGEST, self._length * 2)
        if history is not None:
            history.tick()
        return happened
