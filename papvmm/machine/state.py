"""A guest's exact state but for its memory: all that decides what it does next.

It can be captured and put back wherever the guest stops, in the middle of a slice, too. Saved
guests go another way, through the interfaces a VMM has (``control/snapshot``), and only between
two guest entries.

What is derived from state, and what belongs to the host, is neither captured nor touched:
engines look at the registers whenever a run starts.
"""

from collections.abc import Iterator, Mapping
from typing import Final
from zlib import crc32

from papvmm.clock import VirtualClock
from papvmm.devices.random_source import RandomSource
from papvmm.devices.rtc import Rtc
from papvmm.devices.vty import Vty
from papvmm.devices.xics import Presentation, Source
from papvmm.digests import sha256
from papvmm.machine.guest import Guest
from papvmm.machine.scheduler import Scheduler
from papvmm.memory.door import HypervisorDoor
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VcpuAreas, VpaArea
from papvmm.vpa.dtl import DispatchReason, PreemptReason

FIELDS: Final[Mapping[type, tuple[str, ...]]] = {
    Guest: ("refusals",),
    VirtualClock: ("count", "warped"),
    Scheduler: ("left",),
    HypervisorDoor: ("generation", "registrations", "count"),
    Rtc: ("offset",),
    RandomSource: ("drawn",),
    Vty: ("written",),
    Presentation: ("cppr", "mfrr", "xisr", "priority"),
    Source: ("server", "priority", "saved_priority", "waits"),
    Vcpu: ("run_state", "prodded", "arch_compat", "stolen_counts", "ran_until"),
    VcpuAreas: ("dtl_index", "stolen_logged"),
    VpaArea: ("next_gpa", "length", "update_pending", "requested", "pinned", "dirty"),
}
"""What each kind of part has that values can stand for; ``GuestState`` has the rest."""

COUNTS: Final[Mapping[type, tuple[str, ...]]] = {
    Vcpu: ("hypercalls", "refused"),
    HypervisorDoor: ("stale",),
}
"""What is counted for people, in dictionaries."""

SHOWN: Final[Mapping[type, tuple[str, ...]]] = {
    Guest: ("image",),
    HypervisorDoor: ("_latest_stale",),
}
"""What else is for people; it says nothing that the rest doesn't."""


BLOCK: Final = 1 << 16
"""Bytes of memory that a digest takes in at a time."""
ZEROS: Final = bytes(BLOCK)


class GuestState(Value):
    """What ``capture`` returns: vcpus are named by their ids.

    ``fields`` has those of ``FIELDS``, part by part. ``waiting`` has the ids of vcpus that wait
    for a turn, and since which count.
    """

    fields: tuple[tuple[object, ...], ...]
    registers: tuple[bytes, ...]
    running: int | None
    inside: int | None
    waiting: tuple[tuple[int, int], ...]
    reasons: tuple[tuple[int, tuple[DispatchReason, PreemptReason]], ...]
    console: bytes
    nvram: bytes
    counts: tuple[tuple[tuple[object, int], ...], ...]
    shown: tuple[tuple[object, ...], ...]

    @property
    def digest(self) -> str:
        """Return a digest, which is the same in every process."""
        told = (
            self.fields, self.running, self.inside, self.waiting, self.reasons, self.console,
            self.nvram, self.counts,
        )  # fmt: skip
        digest = sha256(repr(told).encode())
        for registers in self.registers:
            digest.update(registers)
        return digest.hexdigest()


def capture(guest: Guest) -> GuestState:
    """Return what a guest is now. Vcpus whose decrementer is due are woken first, as always."""
    guest.wake_due()
    scheduler = guest.scheduler
    return GuestState(
        _values(guest, FIELDS),
        tuple(vcpu.state.buffer.tobytes() for vcpu in guest.vcpus),
        None if scheduler.current is None else scheduler.current.vcpu_id,
        None if guest.inside is None else guest.inside.vcpu_id,
        tuple((vcpu.vcpu_id, scheduler.ready_since(vcpu)) for vcpu in scheduler.waiting),
        tuple(guest.reasons.items()),
        bytes(guest.console.input),
        bytes(guest.nvram.content),
        tuple(tuple(counts.items()) for counts in _counts(guest)),
        _values(guest, SHOWN),
    )


def digest_of(guest: Guest) -> str:
    """Return a digest of all there is, memory among it."""
    digest = sha256(capture(guest).digest.encode())
    for memory in (guest.memory.ram, memoryview(guest.hash_table.content)):
        for start in range(0, len(memory), BLOCK):
            block = memory[start : start + BLOCK].tobytes()
            if block != ZEROS[: len(block)]:
                digest.update(b"%d %d;" % (start, crc32(block)))
        digest.update(b"\n")
    return digest.hexdigest()


def restore(guest: Guest, state: GuestState) -> None:
    """Make a guest what it was; its memory must be what it was already.

    The door forgets stores that come later.
    """
    door, scheduler = guest.door, guest.scheduler
    made = door.count
    scheduler.clear()
    for vcpu_id, since in state.waiting:
        scheduler.add(guest.vcpus[vcpu_id], since)
    _set(guest, FIELDS, state.fields)
    _set(guest, SHOWN, state.shown)
    for counts, items in zip(_counts(guest), state.counts, strict=True):
        counts.clear()
        counts.update(items)
    door.writes.forget_latest(made - door.count)
    for vcpu, registers in zip(guest.vcpus, state.registers, strict=True):
        vcpu.state.buffer[:] = registers
        vcpu.areas.put_back()
    scheduler.current = None if state.running is None else guest.vcpus[state.running]
    guest.stopped_at = None
    guest.watch.take()
    guest.inside = None if state.inside is None else guest.vcpus[state.inside]
    guest.reasons.clear()
    guest.reasons.update(state.reasons)
    guest.console.input[:] = state.console
    guest.nvram.content[:] = state.nvram


def parts(guest: Guest) -> Iterator[object]:
    """Yield all parts of a guest that have a state of their own, always in the same order."""
    yield from (guest, guest.clock, guest.scheduler, guest.door, guest.rtc, guest.random)
    yield guest.console
    yield from guest.xics.presentations.values()
    yield from guest.xics.sources.values()
    for vcpu in guest.vcpus:
        areas = vcpu.areas
        yield from (vcpu, areas, areas.vpa, areas.slb_shadow, areas.dtl)


def _values(guest: Guest, names: Mapping[type, tuple[str, ...]]) -> tuple[tuple[object, ...], ...]:
    return tuple(
        tuple(getattr(part, name) for name in names.get(type(part), ())) for part in parts(guest)
    )


def _set(
    guest: Guest, names: Mapping[type, tuple[str, ...]], values: tuple[tuple[object, ...], ...]
) -> None:
    for part, its_own in zip(parts(guest), values, strict=True):
        for name, value in zip(names.get(type(part), ()), its_own, strict=True):
            setattr(part, name, value)


def _counts(guest: Guest) -> Iterator[dict[object, int]]:
    for part in parts(guest):
        for name in COUNTS.get(type(part), ()):
            yield getattr(part, name)
