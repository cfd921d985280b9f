"""Events about the areas: requests, stale stores, and what a guest asked for in vain.

What a guest can cause without end is told once in a while only: a slow client isn't flooded.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final, TypeAlias

from papvmm.control.qmp.report import hv_write, registration
from papvmm.control.strict_json import Object
from papvmm.machine.guest import Guest
from papvmm.machine.missing import MOST
from papvmm.trace.events import AreaRequested, NotProvided, StaleWrite
from papvmm.vpa.layout import Area

Send: TypeAlias = Callable[[str, Object], None]
"""Takes the name of an event, and its data."""

PAUSE: Final = 1.0
"""Seconds of silence about something that goes on and on."""


class Seldom:
    """Lets an event about each thing pass once in ``PAUSE``, and counts the others."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now: Final = now
        self._next: Final[dict[object, float]] = {}
        self._left_out: Final[dict[object, int]] = {}

    def passes(self, thing: object) -> int | None:
        """Return how many were left out since the last one that passed; None: so is this."""
        now = self._now()
        if now < self._next.get(thing, 0.0):
            self._left_out[thing] = self._left_out.get(thing, 0) + 1
            return None
        self._next[thing] = now + PAUSE
        return self._left_out.pop(thing, 0)


class AreaEvents:
    """Sends the events of one guest until ``end``."""

    def __init__(self, guest: Guest, send: Send, seldom: Seldom | None = None) -> None:
        self._send: Final = send
        self._seldom: Final = seldom or Seldom()
        self._asked: Final[set[tuple[str, str]]] = set()
        self._registered: Final = {
            (vcpu.vcpu_id, kind.name)
            for vcpu in guest.vcpus
            for kind in Area
            if vcpu.areas.area(kind).next_gpa
        }
        tracer = guest.door.tracer
        self._ends: Final = [
            tracer.subscribe(AreaRequested, self._requested),
            tracer.subscribe(NotProvided, self._not_provided),
            tracer.subscribe(StaleWrite, self._stored),
        ]

    def end(self) -> None:
        """Send no more."""
        for end in self._ends:
            end()

    def _requested(self, event: AreaRequested) -> None:
        wanted = event.registration
        area = (wanted.vcpu_id, wanted.area)
        if wanted.gpa:
            name = "X_PAPVMM_VPA_REGISTERED"
            self._registered.add(area)
        elif area in self._registered:
            name = "X_PAPVMM_VPA_UNREGISTERED"
            self._registered.remove(area)
        else:
            return
        left_out = self._seldom.passes((name, area))
        if left_out is not None:
            told: Object = {"vcpu": wanted.vcpu_id, "area": wanted.area, "left-out": left_out}
            self._send(name, told | registration(wanted))

    def _stored(self, event: StaleWrite) -> None:
        write = event.write
        left_out = self._seldom.passes((write.vcpu_id, write.area, write.field))
        if left_out is not None:
            data: Object = {**hv_write(write), "left-out": left_out}
            self._send("X_PAPVMM_VPA_STALE_WRITE", data)

    def _not_provided(self, event: NotProvided) -> None:
        """Tell of each thing once, of the first ``MOST``."""
        if (event.kind, event.name) in self._asked or len(self._asked) == MOST:
            return
        self._asked.add((event.kind, event.name))
        data: Object = {
            "kind": event.kind,
            "name": event.name,
            "vcpu": event.vcpu_id,
            "cia": event.cia,
            "icount": event.icount,
            "generation": event.generation,
        }
        self._send("X_PAPVMM_NOT_PROVIDED", data)
