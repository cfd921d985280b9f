"""Running a guest without an event loop, for as long as there is nothing to wait for.

The guest is driven through the same entries and exits as by ``Machine``, which goes on from
wherever this stops: the guest can't tell the difference.
"""

from collections.abc import Callable
from time import monotonic

from papvmm.machine.guest import FOREVER, Guest
from papvmm.machine.host_clock import Pace
from papvmm.machine.outcome import NoProgress, Outcome
from papvmm.machine.stretches import TURN, Stretches


def run_ahead(guest: Guest, is_wanted: Callable[[], bool], *, pace: Pace) -> Outcome | None:
    """Run a guest to its end, and return that; None as soon as it needs an event loop.

    It does when ``is_wanted`` says so, which is asked every few milliseconds, when ``heed`` was
    set and the guest has left, or when time is to pass at a ``pace``.
    """
    stretches = Stretches()
    while not is_wanted():
        end = monotonic() + TURN
        while monotonic() < end:
            if guest.next_turn() is None:
                if guest.next_timer() is None:
                    return NoProgress()
                if pace is not Pace.NEVER:
                    return None
                guest.warp()
            happened = stretches.advance(guest, FOREVER)
            if happened is not None or guest.heed:
                return happened
    return None
