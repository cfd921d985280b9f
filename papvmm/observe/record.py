"""What a report tells of a run, collected while it goes on, in bounded memory.

The moment everything turns on is the *handover*: the guest's memory passes from one kernel to
the next, by a reset or without one. From then on a hypervisor store into an area that the
earlier kernel registered is *foreign*: the next kernel knows nothing of it.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from papvmm.clock import VirtualClock
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.observe.activity import Activity
from papvmm.trace.events import (
    AreaRequested,
    HvWrite,
    MachineReset,
    Registration,
    VcpuEntered,
    VcpuLeft,
)
from papvmm.trace.hub import Tracer

KEPT: Final = 1 << 14
"""Events of each kind kept on either side of the handover."""

MOST_SPOTS: Final = 1 << 14

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Handover:
    """The next kernel takes over here: after ``icount`` instructions, for ``reason``.

    Areas whose registrations have numbers up to ``foreign`` are not its own.
    """

    icount: int
    reason: str
    foreign: int


class Store(NamedTuple):
    """A hypervisor store into an area, and whether that is the earlier kernel's."""

    write: HvWrite
    foreign: bool


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of instructions a vcpu ran, from an entry to the exit after which it waited.

    ``why`` is the exit's reason, empty if the recording ended first.
    """

    vcpu_id: int
    start: int
    end: int
    cia: int
    why: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the guest's console, and when the guest began it."""

    icount: int
    text: str


@dataclass(slots=True)
class Spot:
    """Bytes the hypervisor stored to after the handover, since the guest last did itself.

    That the guest did shows: the hypervisor finds other bytes than it left. ``now`` is what
    stands there when the recording ends; if that isn't what ``last`` stored, the guest has
    overwritten it.
    """

    first: HvWrite
    last: HvWrite
    foreign: bool
    count: int = 1
    now: bytes = b""

    @property
    def survives(self) -> bool:
        """Tell whether the hypervisor's bytes are still there."""
        return self.now == self.last.new


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A recorded run.

    ``stores``, ``turns`` and ``registrations`` are those around the handover, ``spots`` all
    stores into areas after it, by address; ``earlier_spots`` those before it, as it found them.
    ``pages`` holds the final bytes of every 4 KiB page with an area or a spot. No store is
    missing ``since`` that many instructions, up to the handover or, without one, the end.
    """

    handover: Handover | None
    registrations: tuple[Registration, ...]
    stores: tuple[Store, ...]
    turns: tuple[Turn, ...]
    spots: tuple[Spot, ...]
    activity: Mapping[int, Activity]
    console: tuple[Line, ...]
    pages: Mapping[int, bytes]
    end: int
    earlier_spots: tuple[Spot, ...] = ()
    since: int = 0

    @property
    def earlier_areas(self) -> tuple[Registration, ...]:
        """The areas that were registered before the handover, or at all if there was none."""
        last = self.handover.icount if self.handover else self.end
        return tuple(r for r in self.registrations if r.gpa and r.icount <= last)


class Window(Generic[T]):
    """The latest events before a handover and the first ones after it."""

    def __init__(self) -> None:
        self._before: Final[deque[T]] = deque(maxlen=KEPT)
        self._after: Final[list[T]] = []
        self._handed_over = False
        self.is_full = False
        """Whether events before the handover have been dropped."""

    def add(self, event: T) -> None:
        """Keep an event, or drop it if it came too long after the handover."""
        if not self._handed_over:
            self.is_full = len(self._before) == KEPT
            self._before.append(event)
        elif len(self._after) < KEPT:
            self._after.append(event)

    def hand_over(self) -> None:
        """Note that what follows is after the handover."""
        self._handed_over = True
        self.is_full |= len(self._before) + len(self._after) > KEPT
        self._before.extend(self._after)
        self._after.clear()

    def events(self) -> tuple[T, ...]:
        """Return what was kept, oldest first."""
        return (*self._before, *self._after)


class Recorder:
    """Listens to a machine from power-on, and makes a ``RunRecord`` of what it hears.

    Where the next kernel takes over without a reset, the guest says so: in ``handover_line``.
    """

    def __init__(self, handover_line: str = "") -> None:
        self._handover_line: Final = handover_line
        self._icount: Callable[[], int] = lambda: 0
        self._handover: Handover | None = None
        self._last_registration = 0
        self._registrations: Final[Window[Registration]] = Window()
        self._stores: Final[Window[Store]] = Window()
        self._turns: Final[Window[Turn]] = Window()
        self._spots: Final[dict[tuple[int, int], Spot]] = {}
        self._earlier: tuple[Spot, ...] = ()
        self._inside: Final[dict[int, VcpuEntered]] = {}
        self._turn: Turn | None = None
        """The latest turn, which goes on if its vcpu is the next one to enter, and at once."""
        self._activity: Final[dict[int, Activity]] = {}
        self._console: Final[deque[Line]] = deque(maxlen=KEPT)
        self._partial_line = b""
        self._line_began = 0

    def listen(self, tracer: Tracer, clock: VirtualClock) -> None:
        """Record a machine from now on; the next one if a guest moves to another."""
        self._icount = lambda: clock.icount
        tracer.subscribe(AreaRequested, self._request)
        tracer.subscribe(HvWrite, self._write)
        tracer.subscribe(VcpuEntered, self._enter)
        tracer.subscribe(VcpuLeft, self._leave)
        tracer.subscribe(MachineReset, self._reset)

    def print(self, characters: bytes) -> None:
        """Take what the guest writes on its console."""
        if not self._partial_line:
            self._line_began = self._icount()
        *lines, self._partial_line = (self._partial_line + characters).split(b"\n")
        for line in lines:
            text = line.decode("ascii", "replace").rstrip("\r")
            self._console.append(Line(self._line_began, text))
            self._line_began = self._icount()
            if text and text == self._handover_line:
                self.hand_over("no reset", foreign=True)

    def hand_over(self, reason: str, *, foreign: bool) -> None:
        """Note that the next kernel takes over; a reset does this by itself.

        ``foreign`` says that it is another kernel, whose areas the registered ones are not.
        """
        last = self._last_registration if foreign else 0
        self._handover = Handover(self._icount(), reason, last)
        self._earlier = self._sorted_spots()
        for spot in self._earlier:
            spot.now = spot.last.new
        self._spots.clear()
        self._keep_turn()
        for window in (self._registrations, self._stores, self._turns):
            window.hand_over()

    def finish(self, memory: GuestMemory) -> RunRecord:
        """Return the record of the run up to now."""
        for vcpu_id in tuple(self._inside):
            self._end_turn(vcpu_id, self._icount(), "")
        self._keep_turn()
        stores = self._stores.events()
        for (gpa, length), spot in self._spots.items():
            spot.now = memory.read(gpa, length)
        registrations = self._registrations.events()
        areas = {(r.gpa, r.length) for r in registrations if r.gpa}
        pages = {
            page
            for gpa, length in (*areas, *self._spots)
            for page in range(gpa - gpa % PAGE, gpa + length, PAGE)
            if memory.holds(page, PAGE)
        }
        return RunRecord(
            handover=self._handover,
            registrations=registrations,
            stores=stores,
            turns=self._turns.events(),
            spots=self._sorted_spots(),
            activity=dict(sorted(self._activity.items())),
            console=tuple(self._console),
            pages={page: memory.read(page, PAGE) for page in sorted(pages)},
            end=self._icount(),
            earlier_spots=self._earlier,
            since=stores[0].write.icount if self._stores.is_full else 0,
        )

    def _sorted_spots(self) -> tuple[Spot, ...]:
        return tuple(self._spots[key] for key in sorted(self._spots))

    def _request(self, event: AreaRequested) -> None:
        self._last_registration = event.registration.number
        self._registrations.add(event.registration)

    def _write(self, write: HvWrite) -> None:
        registration = write.registration
        if registration is None:
            return
        handover = self._handover
        foreign = handover is not None and registration.number <= handover.foreign
        self._stores.add(Store(write, foreign))
        self._activity.setdefault(write.vcpu_id, Activity()).count(write.icount, foreign=foreign)
        key = (write.gpa, len(write.new))
        spot = self._spots.get(key)
        if spot is not None and spot.last.new == write.old and spot.foreign is foreign:
            spot.last = write
            spot.count += 1
        elif spot is not None or len(self._spots) < MOST_SPOTS:
            self._spots[key] = Spot(write, write, foreign)

    def _enter(self, event: VcpuEntered) -> None:
        self._inside[event.vcpu_id] = event

    def _leave(self, event: VcpuLeft) -> None:
        if event.vcpu_id in self._inside:
            self._end_turn(event.vcpu_id, event.icount, event.why)

    def _end_turn(self, vcpu_id: int, end: int, why: str) -> None:
        entered, turn = self._inside.pop(vcpu_id), self._turn
        start, cia = entered.icount, entered.cia
        if turn is not None and (turn.vcpu_id, turn.end) == (vcpu_id, start):
            start, cia = turn.start, turn.cia
        else:
            self._keep_turn()
        self._turn = Turn(vcpu_id, start, end, cia, why)

    def _keep_turn(self) -> None:
        if self._turn is not None:
            self._turns.add(self._turn)
            self._turn = None

    def _reset(self, event: MachineReset) -> None:
        self.hand_over(event.reason, foreign=True)
