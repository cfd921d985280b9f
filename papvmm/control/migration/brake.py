"""Slowing a guest down whose RAM changes faster than it can be sent.

The guest is held for part of its time, in turns of ``TURN``; it can't tell but by the host's
clock.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from papvmm.machine.machine import Machine

TURN: Final = 0.001
"""Seconds that a guest that is slowed down runs in one go."""
STEPS: Final = (0, 50, 80, 90, 95, 99)
"""Percent of its time that a guest is held, one step after the other."""
_HOLDER: Final = "migration"


class Brake:
    """Holds a machine for ``percent`` of its time, until ``release``."""

    def __init__(self, machine: Machine, most: int) -> None:
        self.percent = 0
        self._machine: Final = machine
        self._steps: Final = [step for step in STEPS if step <= most]
        self._next: asyncio.TimerHandle | None = None

    def press(self) -> None:
        """Hold the machine for more of its time."""
        self.percent = next((s for s in self._steps if s > self.percent), self.percent)
        if self._next is None and self.percent:
            self._hold()

    def release(self) -> None:
        """Let the machine go."""
        self.percent = 0
        if self._next is not None:
            self._next.cancel()
            self._next = None
        self._machine.hold(held=False, by=_HOLDER)

    def _hold(self) -> None:
        self._machine.hold(held=True, by=_HOLDER)
        self._after(TURN * self.percent / (100 - self.percent), self._let_go)

    def _let_go(self) -> None:
        self._machine.hold(held=False, by=_HOLDER)
        self._after(TURN, self._hold)

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        self._next = asyncio.get_running_loop().call_later(seconds, act)
