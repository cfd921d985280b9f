"""The date the guest sees: a base, what the guest made of it, and virtual time."""

from typing import Final

from papvmm.clock import VirtualClock

NANOSECONDS: Final = 1_000_000_000

LAST: Final = 253_402_300_800 * NANOSECONDS - 1
"""The last ns of the year 9999: dates have four digits, and the clock stands still then."""


class Rtc:
    """UTC in ns since 1970: ``base`` at power-on, moved by ``offset``, running with the clock."""

    __slots__ = ("base", "clock", "offset")

    def __init__(self, clock: VirtualClock, base_seconds: int) -> None:
        self.clock: Final = clock
        self.set_base(base_seconds)
        self.offset = 0

    def set_base(self, seconds: int) -> None:
        """Make this the date at power-on."""
        self.base = seconds * NANOSECONDS

    @property
    def now(self) -> int:
        """Return nanoseconds since 1970."""
        return min(max(0, self.base + self.offset + self.clock.count), LAST)

    def set(self, now: int) -> None:
        """Make ``now`` (ns since 1970) the present moment."""
        self.offset = now - self.base - self.clock.count
