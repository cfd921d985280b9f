"""A guest's events as tracks of a Perfetto trace, written while the guest runs.

The time axis is virtual time: an instruction takes 1 ns, and an idle machine warps. So a
hypercall takes no time at all: it is a slice without length, at the instruction that made it.

What a vcpu does between its turns is found out when somebody else has the next one: whether it
waits for an interrupt (ceded), to be started (stopped), or only for its turn (preempted; ready,
if it was woken).
"""

from collections.abc import Callable
from pathlib import PurePath
from typing import Final, TypeVar

from papvmm.clock import SECOND
from papvmm.machine.guest import Guest
from papvmm.observe.perfetto import NOTHING, Detail, Hex, Known, TraceWriter
from papvmm.papr.arguments import argument_names
from papvmm.papr.hcall import status_name
from papvmm.trace.events import (
    AreaRequested,
    Event,
    HcallDone,
    HvWrite,
    MachineReset,
    RtasDone,
    VcpuEntered,
    VcpuLeft,
)
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState
from papvmm.vpa.dtl import DTL_ENTRY
from papvmm.vpa.layout import Area
from papvmm.vpa.lppaca import LPPACA, YIELD_COUNT

E = TypeVar("E", bound=Event)

SAMPLES_APART: Final = 10_000
"""Nanoseconds between two values of a counter, at the least."""
FLUSHES_APART: Final = 100_000_000
"""Nanoseconds after which what happened is in the file: a quiet guest makes few packets."""
KEPT: Final = 1 << 12
"""Kinds of stores whose descriptions are kept ready."""

WORD: Final = 8
SHOWN: Final = DTL_ENTRY.size
"""Bytes of a store that are shown at most."""
ABOUT: Final = "virtual time: 1 ns is one instruction of any vcpu, or idle"
_COUNT: Final = LPPACA.name_at(YIELD_COUNT.offset)


RUNNING: Final = "running"
PREEMPTED: Final = "preempted"
READY: Final = "ready"
_BETWEEN: Final = {
    VcpuRunState.CEDED: "ceded",
    VcpuRunState.STOPPED: "stopped",
    VcpuRunState.RUNNABLE: PREEMPTED,
}


class Lane:
    """The tracks of one vcpu, and what it does: the slice that has begun on ``turns``."""

    def __init__(self, writer: TraceWriter, vcpu: Vcpu, parent: int) -> None:
        name = f"vcpu{vcpu.vcpu_id}"
        self.vcpu: Final = vcpu
        self.turns: Final = writer.track(name, parent)
        self.requests: Final = writer.track(f"{name} area registrations", self.turns)
        self.stores: Final = writer.track(f"{name} hypervisor writes", self.turns)
        self.yields: Final = writer.track(f"{name} yield count", self.turns, unit="count")
        self.state = ""
        self.left_at = -1
        """When it last left the guest; negative while it is inside."""
        self.next_state = ""
        """What it does from then on, unless it enters again at once."""
        self.stolen = vcpu.stolen_counts
        self.rtas: RtasDone | None = None
        """The RTAS call within the hypercall that is not done yet."""


class Tracks:
    """Writes what happens to a guest from now on; ``close`` ends the slices that have begun."""

    def __init__(self, guest: Guest, writer: TraceWriter) -> None:
        self._guest: Final = guest
        self._clock: Final = guest.clock
        self._writer: Final = writer
        root = writer.track(f"papvmm: {_kernel(guest)}", about=ABOUT)
        self._machine: Final = writer.track("machine", root)
        self._lanes: Final = {v.vcpu_id: Lane(writer, v, root) for v in guest.vcpus}
        self._rate: Final = writer.track("instructions", root, unit="per second of virtual time")
        self._total: Final = writer.track("hypervisor writes", root, unit="count")
        self._running: Lane | None = None
        """Whose slice is a turn; it may have ended by now, when it left the guest."""
        self._known: Final[dict[tuple[object, ...], tuple[str, Known]]] = {}
        self._in_use: Final[dict[tuple[int, str], int]] = {}
        self._sampled = (self._clock.count, self._clock.icount)
        now = self._flushed = self._latest = self._clock.count
        writer.begin(self._machine, now, _kernel(guest))
        for lane in self._lanes.values():
            self._become(lane, _BETWEEN[lane.vcpu.run_state], now)
        writer.flush()
        tracer = guest.door.tracer
        self._ends: Final = (
            tracer.subscribe(VcpuEntered, self._once(self._enter)),
            tracer.subscribe(VcpuLeft, self._once(self._leave)),
            tracer.subscribe(HcallDone, self._once(self._hcall)),
            tracer.subscribe(RtasDone, self._once(self._rtas)),
            tracer.subscribe(HvWrite, self._once(self._write)),
            tracer.subscribe(AreaRequested, self._once(self._request)),
            tracer.subscribe(MachineReset, self._once(self._reset)),
        )

    def close(self) -> None:
        """Write no more, but for the ends of slices."""
        for end in self._ends:
            end()
        now = max(self._clock.count, self._latest)
        self._sample(now)
        self._settle()
        for lane in self._lanes.values():
            self._writer.end(lane.turns, now)
        self._writer.end(self._machine, now)
        self._writer.flush()

    def _once(self, listener: Callable[[E], None]) -> Callable[[E], None]:
        """Leave out what happens again, after a debugger has gone back in time."""

        def listen(event: E) -> None:
            if self._clock.count >= self._latest:
                self._latest = self._clock.count
                listener(event)

        return listen

    # Turns.

    def _become(self, lane: Lane, state: str, now: int, details: Known = NOTHING) -> None:
        """End the slice of a vcpu, and begin another one."""
        if lane.state:
            self._writer.end(lane.turns, now)
        self._writer.begin(lane.turns, now, state, details)
        lane.state = state

    def _settle(self) -> None:
        """Say what the vcpu that had the turn does since it left the guest."""
        lane, self._running = self._running, None
        if lane is not None and lane.left_at >= 0:
            self._become(lane, lane.next_state, lane.left_at)

    def _enter(self, event: VcpuEntered) -> None:
        lane, now = self._lanes[event.vcpu_id], self._clock.count
        cia = self._writer.details({"cia": Hex(event.cia)})
        stolen, lane.stolen = lane.vcpu.stolen_counts - lane.stolen, lane.vcpu.stolen_counts
        if lane is not self._running or now != lane.left_at:
            self._settle()
            if stolen and lane.state != PREEMPTED:
                self._become(lane, READY, now - stolen)
            self._become(lane, RUNNING, now, cia)
            self._running = lane
        lane.left_at = -1
        self._writer.instant(lane.turns, now, "guest entry", cia)

    def _leave(self, event: VcpuLeft) -> None:
        now, lane = self._clock.count, self._lanes[event.vcpu_id]
        lane.left_at, lane.next_state = now, PREEMPTED
        if now - self._sampled[0] >= SAMPLES_APART:
            self._sample(now)
            if now - self._flushed >= FLUSHES_APART:
                self._flushed = now
                self._writer.flush()

    def _reset(self, event: MachineReset) -> None:
        writer, now = self._writer, self._clock.count
        self._settle()
        for lane in self._lanes.values():
            self._become(lane, _BETWEEN[VcpuRunState.STOPPED], now)
        writer.end(self._machine, now)
        told: dict[str, Detail] = {
            "reason": event.reason,
            "areas": event.policy,
            "generation": event.generation,
        }
        writer.instant(self._machine, now, "reset", writer.details(told))
        writer.begin(self._machine, now, _kernel(self._guest))

    # Calls.

    def _rtas(self, event: RtasDone) -> None:
        self._lanes[event.vcpu_id].rtas = event

    def _hcall(self, event: HcallDone) -> None:
        writer, now = self._writer, self._clock.count
        lane = self._lanes[event.vcpu_id]
        lane.next_state = _BETWEEN[lane.vcpu.run_state]
        track = lane.turns
        told: dict[str, Detail] = {
            name: Hex(value)
            for name, value in zip(argument_names(event.name), event.args, strict=False)
        }
        told["status"] = status_name(event.status)
        told |= {f"r{i} out": Hex(value) for i, value in enumerate(event.outputs, start=4)}
        writer.begin(track, now, event.name, writer.details(told))
        rtas, lane.rtas = lane.rtas, None
        if rtas is not None:
            words: dict[str, Detail] = {
                f"argument {i}": Hex(word) for i, word in enumerate(rtas.args)
            }
            words |= {
                f"return {i}" if i else "status": Hex(word) for i, word in enumerate(rtas.returns)
            }
            writer.begin(track, now, f"rtas {rtas.name}", writer.details(words))
            writer.end(track, now)
        writer.end(track, now)

    # Areas.

    def _request(self, event: AreaRequested) -> None:
        registration = event.registration
        area = (registration.vcpu_id, registration.area)
        before = self._in_use.pop(area, 0)
        if registration.gpa:
            self._in_use[area] = registration.number
        verb = "register" if registration.gpa else "unregister"
        told: dict[str, Detail] = {
            "gpa": Hex(registration.gpa),
            "length": registration.length,
            "door": registration.door,
            "number": registration.number,
        }
        if registration.caller is not None:
            told["caller"] = f"vcpu{registration.caller}"
        begun = (registration.number,) if registration.gpa else ()
        details = self._writer.details(told, begun, (before,) if before else ())
        track = self._lanes[registration.vcpu_id].requests
        self._writer.instant(track, self._clock.count, f"{verb} {registration.area}", details)

    def _write(self, write: HvWrite) -> None:
        writer, now = self._writer, self._clock.count
        lane = self._lanes[write.vcpu_id]
        values = writer.details({"old": _value(write.old), "new": _value(write.new)})
        registration = write.registration
        key = (write.gpa, write.actor, write.generation, registration and registration.number)
        name, where = self._known.get(key) or self._know(key, write)
        writer.instant(lane.stores, now, name, values, where)
        if write.area == Area.VPA.name and write.field == _COUNT:
            writer.count(lane.yields, now, int.from_bytes(write.new, "big"))

    def _know(self, key: tuple[object, ...], write: HvWrite) -> tuple[str, Known]:
        """Return a store's name, and what is the same for each one like it.

        That is who stored, where, and which registration is behind it, from which it flows.
        """
        told: dict[str, Detail] = {"gpa": Hex(write.gpa), "actor": write.actor}
        name, registration = write.field or write.actor, write.registration
        if registration is not None:
            told |= {
                "area": f"{registration.area} of vcpu{registration.vcpu_id}",
                "registration": registration.number,
                "registered by": f"{registration.door} @{registration.icount:,}",
                "registered in generation": registration.generation,
                "stale": write.is_stale,
            }
            name = f"STALE {name}" if write.is_stale else name
        if len(self._known) >= KEPT:
            self._known.clear()
        flows = () if registration is None else (registration.number,)
        known = self._known[key] = (name, self._writer.details(told, flows))
        return known

    # Counters.

    def _sample(self, now: int) -> None:
        then, instructions = self._sampled
        icount = self._clock.icount
        self._sampled = (now, icount)
        if now > then:
            rate = (icount - instructions) * SECOND // (now - then)
            self._writer.count(self._rate, then, rate)
        self._writer.count(self._total, now, self._guest.door.count)


def _kernel(guest: Guest) -> str:
    kernel = guest.config.kernel_for(guest.door.generation)
    return "no kernel" if kernel is None else PurePath(kernel.name).name


def _value(stored: bytes) -> Detail:
    """Show a stored number as one, and other bytes as such, only the first ones of many."""
    if len(stored) <= WORD:
        return Hex(int.from_bytes(stored, "big"))
    return stored[:SHOWN].hex(" ") + (" …" if len(stored) > SHOWN else "")
