"""The one door through which the hypervisor stores into guest RAM, and its record of who did."""

from collections import deque
from typing import Final, NamedTuple

from papvmm.clock import VirtualClock
from papvmm.memory.guest_memory import GuestMemory
from papvmm.trace.events import HvWrite, Registration
from papvmm.trace.hub import Tracer

REMEMBERED: Final = 1 << 16
"""Stores the door remembers; older ones are counted only."""


class Origin(NamedTuple):
    """Who stores, and what: see ``HvWrite``."""

    actor: str
    vcpu_id: int
    area: str = ""
    field: str = ""
    registration: Registration | None = None


class HypervisorDoor:
    """Stores on behalf of the hypervisor; ``writes`` holds the latest of them, oldest first."""

    def __init__(self, memory: GuestMemory, clock: VirtualClock, tracer: Tracer) -> None:
        self.memory: Final = memory
        self.clock: Final = clock
        self.tracer: Final = tracer
        self.generation = 0
        self.registrations = 0
        self.count = 0
        self.writes: Final[deque[HvWrite]] = deque(maxlen=REMEMBERED)

    def store(self, gpa: int, data: bytes, origin: Origin) -> None:
        """Write ``data`` at ``gpa`` and remember who did."""
        memory = self.memory
        old = memory.read(gpa, len(data))
        memory.write(gpa, data)
        actor, vcpu_id, area, field, registration = origin
        write = HvWrite(
            gpa, old, data, actor, area, field, vcpu_id,
            self.generation, self.clock.icount, registration,
        )  # fmt: skip
        self.count += 1
        self.writes.append(write)
        if HvWrite in self.tracer.wanted:
            self.tracer.emit(write)
