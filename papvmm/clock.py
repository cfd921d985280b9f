"""Machine-wide virtual time, in exact integers; host time enters only at the machine floor."""

from typing import Final

TICKS: Final = 64
COUNTS: Final = 125
"""``TICKS`` of the 512 MHz time base pass in ``COUNTS`` counts of 1 ns: tb = count * 512 / 1000."""

TIMEBASE_HZ: Final = 512_000_000

SECOND: Final = 1_000_000_000
"""Counts of virtual time in a second."""


def ticks_at(count: int) -> int:
    """Return the time base, in ticks, after ``count`` nanoseconds of virtual time."""
    return count * TICKS // COUNTS


def count_at(ticks: int) -> int:
    """Return the first count (ns) at which ``ticks_at`` has reached ``ticks``."""
    return -(-ticks * COUNTS // TICKS)


class VirtualClock:
    """Virtual time: one instruction of any vcpu takes 1 ns; an idle machine warps ahead.

    ``count`` is time in ns since power-on, ``icount`` the instructions completed.
    """

    __slots__ = ("count", "warped")

    def __init__(self) -> None:
        self.count = 0
        self.warped = 0

    @property
    def icount(self) -> int:
        """Instructions completed by all vcpus: the position people are shown."""
        return self.count - self.warped

    @property
    def ticks(self) -> int:
        """The time base before any vcpu's offset."""
        return ticks_at(self.count)

    def warp_to(self, count: int) -> None:
        """Let idle time pass, up to ``count``; never back."""
        if count > self.count:
            self.warped += count - self.count
            self.count = count
