"""How busy the hypervisor was in a vcpu's areas over a run: the data of a sparkline."""

from dataclasses import dataclass, field
from typing import Final

BINS: Final = 128
"""Bins of an activity, an even number; the finest are ``FINEST`` instructions wide."""

FINEST: Final = 64


@dataclass(slots=True)
class Activity:
    """Stores by stretch of ``width`` instructions, ``foreign`` ones apart.

    A run of any length fits: when it gets longer than the bins reach, neighbours are merged.
    """

    width: int = FINEST
    own: list[int] = field(default_factory=lambda: [0] * BINS)
    foreign: list[int] = field(default_factory=lambda: [0] * BINS)

    def count(self, icount: int, *, foreign: bool) -> None:
        """Count a store after ``icount`` instructions."""
        self.reach(icount)
        (self.foreign if foreign else self.own)[icount // self.width] += 1

    def reach(self, end: int) -> None:
        """Let the bins go beyond ``end`` instructions."""
        while end >= self.width * BINS:
            self.width *= 2
            self.own, self.foreign = _merged(self.own), _merged(self.foreign)


def _merged(counts: list[int]) -> list[int]:
    pairs = zip(counts[::2], counts[1::2], strict=True)
    return [a + b for a, b in pairs] + [0] * (len(counts) // 2)
