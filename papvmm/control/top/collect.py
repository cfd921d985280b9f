"""A sample of a guest: read wherever its vcpus are, so that it makes no exit and nobody waits."""

import os
from collections.abc import Iterator
from typing import Final

from papvmm.control.top.sample import AreaInForce, Kernel, LogEntry, Sample, VcpuSample
from papvmm.isa.state import CIA
from papvmm.machine.accounts import activity, hypercalls, time_spent
from papvmm.machine.guest import Guest
from papvmm.machine.machine import Machine
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VcpuAreas
from papvmm.vpa.dtl import DTL_ENTRY

_LOGGED: Final = LogEntry.__match_args__[2:]
"""The fields of a log entry in RAM that a sample has."""


def collect(machine: Machine, name: str, log: int, writes: int) -> Sample:
    """Return a sample with the latest ``log`` log entries of each vcpu, and ``writes`` stores."""
    guest = machine.guest
    clock, door = guest.clock, guest.door
    there = len(door.writes)
    return Sample(
        name=name,
        kernel=_kernel(guest),
        status=machine.run_state.value,
        count=clock.count,
        icount=clock.icount,
        resets=door.generation,
        vcpus=tuple(_vcpu(guest, vcpu) for vcpu in guest.vcpus),
        log=_latest_entries(guest, log),
        writes=tuple(door.writes[index] for index in range(max(there - writes, 0), there)),
        writes_total=door.count,
        latest_stale=door.latest_stale,
    )


def _kernel(guest: Guest) -> Kernel | None:
    if guest.image is None:
        return None
    return Kernel(os.path.abspath(guest.image.name), guest.config.kernel_addr)


def _vcpu(guest: Guest, vcpu: Vcpu) -> VcpuSample:
    spent, areas, stale = time_spent(guest, vcpu), vcpu.areas, guest.door.stale
    return VcpuSample(
        vcpu_id=vcpu.vcpu_id,
        state=activity(guest, vcpu),
        nip=vcpu.state.read(CIA),
        instructions=vcpu.instructions,
        run=spent.run,
        waiting=spent.waiting,
        idle=spent.idle,
        yield_count=areas.yield_count,
        hypercalls=hypercalls(vcpu),
        areas=dict(_areas(areas)),
        log_index=areas.dtl_index,
        stale_writes={area: stale[of, area] for of, area in stale if of == vcpu.vcpu_id},
    )


def _areas(areas: VcpuAreas) -> Iterator[tuple[str, AreaInForce]]:
    for area in (areas.vpa, areas.slb_shadow, areas.dtl):
        pinned = area.pinned
        if pinned is not None:
            born = pinned.registration.generation if pinned.registration else 0
            yield area.kind.name, AreaInForce(pinned.gpa, pinned.end - pinned.gpa, born)


def _latest_entries(guest: Guest, most: int) -> tuple[LogEntry, ...]:
    entries = [entry for vcpu in guest.vcpus for entry in _entries(vcpu.areas, most)]
    return tuple(sorted(entries, key=lambda entry: entry.timebase))


def _entries(areas: VcpuAreas, most: int) -> Iterator[LogEntry]:
    log, load = areas.dtl.pinned, areas.door.memory.load_be
    if log is None:
        return
    size = (log.end - log.gpa) // DTL_ENTRY.size
    for number in range(max(areas.dtl_index - min(most, size), 0), areas.dtl_index):
        gpa = log.gpa + number % size * DTL_ENTRY.size
        fields = (DTL_ENTRY[name] for name in _LOGGED)
        told = (load(gpa + field.offset, field.width) for field in fields)
        yield LogEntry(areas.vcpu_id, number, *told)
