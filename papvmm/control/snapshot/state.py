"""The state of a whole guest but for its RAM, as JSON."""

from typing import Final

from papvmm.control.snapshot.devices import apply_devices, collect_devices
from papvmm.control.snapshot.members import Members
from papvmm.control.snapshot.vcpus import apply_vcpu, collect_vcpu
from papvmm.control.strict_json import Json, Object
from papvmm.errors import BadInput
from papvmm.machine.guest import FOREVER, Guest
from papvmm.vcpu.vcpu import VcpuRunState
from papvmm.vpa.dtl import DispatchReason, PreemptReason

MOST_RESETS: Final = 1 << 32


def collect(guest: Guest) -> Object:
    """Return what a guest is, to be saved; BadInput while a vcpu is inside the guest."""
    if guest.inside is not None:
        raise BadInput(f"vcpu {guest.inside.vcpu_id} is in the middle of its turn: let it go on")
    clock, scheduler = guest.clock, guest.scheduler
    running = scheduler.current
    waiting: list[Json] = [
        {"vcpu": vcpu.vcpu_id, "since": scheduler.ready_since(vcpu)} for vcpu in scheduler.waiting
    ]
    return {
        "clock": {"count": clock.count, "warped": clock.warped},
        "generation": guest.door.generation,
        "devices": collect_devices(guest),
        "scheduler": {
            "running": None if running is None else running.vcpu_id,
            "left": scheduler.left,
            "waiting": waiting,
        },
        "vcpus": [collect_vcpu(vcpu) for vcpu in guest.vcpus],
        "dispatches": [
            {"reason": reason.name, "preempted": preempted.name}
            for reason, preempted in (guest.reasons[vcpu.vcpu_id] for vcpu in guest.vcpus)
        ],
    }


def apply(guest: Guest, saved: Members) -> None:
    """Make a guest that has not started, its RAM loaded, what it was; BadInput if it can't be."""
    clock = saved.member("clock")
    guest.clock.count = clock.number("count", most=FOREVER)
    guest.clock.warped = clock.number("warped", most=guest.clock.count)
    clock.done()
    guest.door.generation = saved.number("generation", most=MOST_RESETS)
    apply_devices(guest, saved.member("devices"))
    for vcpu, saved_vcpu in zip(guest.vcpus, _of_each(guest, saved, "vcpus"), strict=True):
        apply_vcpu(vcpu, saved_vcpu)
    for vcpu, dispatch in zip(guest.vcpus, _of_each(guest, saved, "dispatches"), strict=True):
        reason = dispatch.choice("reason", DispatchReason)
        guest.reasons[vcpu.vcpu_id] = (reason, dispatch.choice("preempted", PreemptReason))
        dispatch.done()
    _apply_scheduler(guest, saved.member("scheduler"))
    saved.done()


def _of_each(guest: Guest, saved: Members, name: str) -> tuple[Members, ...]:
    """Take a list that has an object for each vcpu."""
    objects = tuple(saved.members(name))
    if len(objects) != len(guest.vcpus):
        raise saved.wrong(name, f"are {len(objects)}: the machine has {len(guest.vcpus)} vcpus")
    return objects


def _apply_scheduler(guest: Guest, saved: Members) -> None:
    """Give every vcpu that can run its place: the turn, or one in the queue."""
    scheduler = guest.scheduler
    most = len(guest.vcpus) - 1
    runnable = {vcpu.vcpu_id for vcpu in guest.vcpus if vcpu.run_state is VcpuRunState.RUNNABLE}
    running = saved.optional_number("running", most)
    if running is not None:
        if running not in runnable:
            raise saved.wrong("running", "is a vcpu that can't run")
        scheduler.current = guest.vcpus[running]
        runnable.discard(running)
    scheduler.left = saved.number("left", most=guest.config.slice_counts)
    places = []
    for place in saved.members("waiting"):
        vcpu_id = place.number("vcpu", most)
        scheduler.add(guest.vcpus[vcpu_id], place.number("since", most=guest.clock.count))
        place.done()
        places.append(vcpu_id)
    if sorted(places) != sorted(runnable):
        raise saved.wrong("waiting", "doesn't list the vcpus that can run, each once")
    if any((vcpu.ran_until is None) != (vcpu is scheduler.current) for vcpu in guest.vcpus):
        raise saved.wrong("running", "is not the vcpu that has the turn")
    saved.done()
