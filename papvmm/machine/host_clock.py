"""Where host time enters: how virtual time and the host's go together."""

from enum import Enum
from time import monotonic_ns
from typing import Final

from papvmm.machine.guest import FOREVER, Guest
from papvmm.machine.inputs import Warp


class Pace(Enum):
    """When virtual time waits for the host's."""

    NEVER = "never"
    """A guest that waits for a timer goes on at once."""
    IDLE = "idle"
    """A guest that waits for a timer waits as long as people at a terminal would expect."""
    ALWAYS = "always"
    """Virtual time is the host's: it goes on however few instructions are executed.

    An instruction still takes 1 ns: a guest that executes more of them is held back. So the time
    base never runs ahead of the host's clock, and never back.
    """


class HostClock:
    """Lets virtual time of a guest pass as host time does, from ``start`` on."""

    def __init__(self, guest: Guest) -> None:
        self._guest: Final = guest
        self._clock: Final = guest.clock
        self._origin = 0

    def start(self) -> None:
        """Begin anew: from now on, as much virtual time passes as host time."""
        self._origin = monotonic_ns() - self._clock.count

    @property
    def ahead(self) -> int:
        """By how many ns virtual time is ahead of the host's; negative where it is behind."""
        return self._clock.count + self._origin - monotonic_ns()

    def catch_up(self, most: int = FOREVER) -> None:
        """Let virtual time pass up to the host's, or to a count before that."""
        count = min(monotonic_ns() - self._origin, most)
        if count > self._clock.count:
            self._guest.take(Warp(count))
