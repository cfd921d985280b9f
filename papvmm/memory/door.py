"""The one door through which the hypervisor stores into guest RAM, and its record of who did."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias, TypeVar, overload

from papvmm.clock import VirtualClock
from papvmm.memory.guest_memory import GuestMemory, Place
from papvmm.trace.events import HvWrite, Registration, StaleWrite
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


T = TypeVar("T", int, bytes)

Write: TypeAlias = tuple[Place[int] | Place[bytes], bytes | int, bytes | int, Origin, int, int]
"""A store as the door remembers it: place, old and new value, origin, generation and icount."""


class Writes(Sequence[HvWrite]):
    """The latest stores, oldest first; most of them nobody ever looks at."""

    def __init__(self) -> None:
        self._latest: Final[deque[Write]] = deque(maxlen=REMEMBERED)
        self.add: Final = self._latest.append
        self.clear: Final = self._latest.clear

    def __len__(self) -> int:
        return len(self._latest)

    def forget_latest(self, number: int) -> None:
        """Forget so many stores, or all there are."""
        for _ in range(min(number, len(self._latest))):
            self._latest.pop()

    @overload
    def __getitem__(self, index: int) -> HvWrite: ...
    @overload
    def __getitem__(self, index: slice) -> list[HvWrite]: ...
    def __getitem__(self, index: int | slice) -> HvWrite | list[HvWrite]:
        if isinstance(index, slice):
            return list(self)[index]
        return as_event(self._latest[index])

    def __iter__(self) -> Iterator[HvWrite]:
        return map(as_event, self._latest)

    def __reversed__(self) -> Iterator[HvWrite]:
        """Yield those that there are now, whatever is added meanwhile."""
        return map(as_event, reversed(self._latest.copy()))


def as_event(write: Write) -> HvWrite:
    """Return a store as people look at it."""
    place, old, new, origin, generation, icount = write
    pack = place.packing.pack
    return HvWrite(
        place.gpa, pack(old), pack(new), origin.actor, origin.area, origin.field, origin.vcpu_id,
        generation, icount, origin.registration,
    )  # fmt: skip


class HypervisorDoor:
    """Stores on behalf of the hypervisor; ``writes`` holds the latest of them, oldest first."""

    def __init__(self, memory: GuestMemory, clock: VirtualClock, tracer: Tracer) -> None:
        self.memory: Final = memory
        self.clock: Final = clock
        self.tracer: Final = tracer
        self.generation = 0
        self.registrations = 0
        self.count = 0
        self.stale: Final[dict[tuple[int, str], int]] = {}
        """Stores into areas registered before the last reset, by vcpu and area."""
        self._latest_stale: Write | None = None
        self.writes: Final = Writes()

    @property
    def latest_stale(self) -> HvWrite | None:
        """The last store into an area registered before the last reset."""
        return self._latest_stale and as_event(self._latest_stale)

    def store(self, gpa: int, data: bytes, origin: Origin) -> None:
        """Write ``data`` at ``gpa`` and remember who did."""
        self.storer(self.memory.run(gpa, len(data)), origin)(data)

    def storer(self, place: Place[T], origin: Origin) -> Callable[[T], None]:
        """Return a function that puts a value into its place and remembers who did."""
        clock, swap, remember = self.clock, place.swap, self.writes.add
        tracer, wanted = self.tracer, self.tracer.wanted
        registered = origin.registration.generation if origin.registration else None

        def store(value: T) -> None:
            old, generation = swap(value), self.generation
            write = (place, old, value, origin, generation, clock.count - clock.warped)
            self.count += 1
            remember(write)
            if generation != registered and registered is not None:
                self._count_stale(write)
            if HvWrite in wanted:
                tracer.emit(as_event(write))

        return store

    def _count_stale(self, write: Write) -> None:
        self._latest_stale = write
        origin = write[3]
        key = origin.vcpu_id, origin.area
        self.stale[key] = self.stale.get(key, 0) + 1
        if StaleWrite in self.tracer.wanted:
            self.tracer.emit(StaleWrite(as_event(write)))
