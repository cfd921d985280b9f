"""Where a guest is in its run: a total order of all moments at which it can be stopped."""

from enum import IntEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from papvmm.machine.guest import Guest

LATER: Final = 1 << 62
"""More than any number in a position."""


class Phase(IntEnum):
    """What comes between two instructions, in this order; most instructions have no exit after."""

    ENDING = 0
    """A vcpu is inside the guest, and its slice is over."""
    ENDED = 1
    """It has left by a hypercall, the last instruction of its slice."""
    NOBODYS = 2
    """No vcpu has the turn."""
    OUTSIDE = 3
    """A vcpu has the turn and has not entered the guest."""
    INSIDE = 4
    """It has: the next instruction comes next."""


class Position(NamedTuple):
    """A moment of a run: people are shown ``icount``, the instructions completed before it.

    What reached the guest from outside before is counted by ``inputs``; ``time`` is the
    clock's count. ``stop`` is not 0 where a breakpoint has
    stopped a vcpu, CIA + 1: an interrupt may have brought it there since it was inside.
    """

    icount: int
    inputs: int
    time: int
    phase: int
    stop: int = 0

    def __str__(self) -> str:
        return f"@ {self.icount:,}"


def phase_of(guest: "Guest") -> Phase:
    """Return what comes next for a guest."""
    left = guest.scheduler.left
    if guest.inside is not None:
        return Phase.INSIDE if left else Phase.ENDING
    if guest.scheduler.current is None:
        return Phase.NOBODYS
    return Phase.OUTSIDE if left else Phase.ENDED


def last_at(icount: int) -> Position:
    """Return a position after all that can be, before the next instruction."""
    return Position(icount, LATER, LATER, LATER, LATER)
