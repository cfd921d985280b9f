"""Versions of the Power ISA: what a processor has follows from the one it implements."""

from enum import IntEnum


class Isa(IntEnum):
    """A version of the Power ISA, in their order; each is a bit, so that a number tells a set."""

    V2_07 = 1
    V3_0 = 2
    V3_1 = 4
