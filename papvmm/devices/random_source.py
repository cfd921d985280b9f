"""Random numbers for guests: a counter and a seed, so that a run can be repeated."""

from typing import Final

from papvmm.bits import M64

_GOLDEN: Final = 0x9E37_79B9_7F4A_7C15


class RandomSource:
    """SplitMix64 (Steele, Lea and Flood, 2014): the n-th number is a function of seed and n."""

    __slots__ = ("drawn", "seed")

    def __init__(self, seed: int) -> None:
        self.seed = seed & M64
        self.drawn = 0

    def draw(self) -> int:
        """Return the next unsigned 64-bit number."""
        self.drawn += 1
        mixed = (self.seed + self.drawn * _GOLDEN) & M64
        mixed = (mixed ^ mixed >> 30) * 0xBF58_476D_1CE4_E5B9 & M64
        mixed = (mixed ^ mixed >> 27) * 0x94D0_49BB_1331_11EB & M64
        return mixed ^ mixed >> 31
