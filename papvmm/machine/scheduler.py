"""Whose turn it is: a deterministic round robin on slices of guest instructions.

The event loop's ready queue decides nothing here. What decides is the order of architected
events: the end of a slice, a cede, a wake-up; so the same guest gets the same schedule.
"""

from collections import deque
from typing import Final

from papvmm.clock import VirtualClock
from papvmm.vcpu.vcpu import Vcpu


class Scheduler:
    """The vcpu that runs, what is left of its slice, and those that wait for a turn."""

    def __init__(self, clock: VirtualClock, slice_counts: int) -> None:
        self._clock: Final = clock
        self.slice_counts = slice_counts
        self._ready: Final[deque[Vcpu]] = deque()
        self._ready_since: Final[dict[int, int]] = {}
        self.current: Vcpu | None = None
        self.left = 0

    @property
    def waiting(self) -> tuple[Vcpu, ...]:
        """The vcpus that are ready, in the order of their turns."""
        return tuple(self._ready)

    def ready_since(self, vcpu: Vcpu) -> int:
        """Return the count at which a vcpu that waits for its turn became ready."""
        return self._ready_since[vcpu.vcpu_id]

    def add(self, vcpu: Vcpu, since: int | None = None) -> None:
        """Put a vcpu that can run at the end of the queue; it was ready at count ``since``."""
        self._ready.append(vcpu)
        self._ready_since[vcpu.vcpu_id] = self._clock.count if since is None else since

    def next(self) -> Vcpu | None:
        """Begin the slice of the vcpu whose turn it is, and book the time it waited as stolen."""
        if not self._ready:
            return None
        vcpu = self.current = self._ready.popleft()
        self.left = self.slice_counts
        vcpu.stolen_counts += self._clock.count - self._ready_since.pop(vcpu.vcpu_id)
        vcpu.begin_turn()
        return vcpu

    def preempt(self) -> None:
        """End the slice of the vcpu that runs; it queues for its next one."""
        vcpu = self.current
        self.block()
        if vcpu is not None:
            self.add(vcpu)

    def block(self) -> None:
        """End the slice of the vcpu that runs; it waits for an event."""
        if self.current is not None:
            self.current.end_turn()
        self.current = None

    def favour(self, vcpu: Vcpu) -> None:
        """Give a waiting vcpu the next turn, as H_CONFER asks."""
        if vcpu in self._ready:
            self._ready.remove(vcpu)
            self._ready.appendleft(vcpu)

    def clear(self) -> None:
        """Forget everybody, as a reset does."""
        self.block()
        self._ready.clear()
        self._ready_since.clear()
