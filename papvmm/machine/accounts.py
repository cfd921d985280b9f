"""What a guest has done with its time, for people who watch it: read at any moment, at no cost.

Nothing is counted for this that the guest's own counters don't have: instructions are those of
IC, the time a vcpu ran is its PURR's, and the time it waited for its turn is what the hypervisor
reports as stolen. What is left, it was idle.
"""

from collections import Counter
from typing import Final

from papvmm.bits import M64
from papvmm.clock import count_at, ticks_at
from papvmm.isa.state import PURR_OFFSET
from papvmm.machine.guest import Guest
from papvmm.papr.hcall import hcall_name
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState

_IDLE: Final = {VcpuRunState.CEDED: "ceded", VcpuRunState.STOPPED: "stopped"}


class TimeSpent(Value):
    """Virtual time (ns) a vcpu ran, waited for its turn, and was idle: ceded or not started."""

    run: int
    waiting: int
    idle: int


def time_spent(guest: Guest, vcpu: Vcpu) -> TimeSpent:
    """Tell what a vcpu has done since power-on."""
    now = guest.clock.count
    run = count_at(ticks_at(vcpu.own_count) + vcpu.state.read(PURR_OFFSET) & M64)
    waiting = vcpu.stolen_counts
    if vcpu in guest.scheduler.waiting:
        waiting += now - guest.scheduler.ready_since(vcpu)
    return TimeSpent(run, waiting, max(now - run - waiting, 0))


def activity(guest: Guest, vcpu: Vcpu) -> str:
    """Tell what a vcpu does: run, preempted (it waits for its turn), ceded or stopped."""
    if vcpu is guest.scheduler.current:
        return "run"
    return _IDLE.get(vcpu.run_state, "preempted")


def hypercalls(vcpu: Vcpu) -> Counter[str]:
    """Count the hypercalls a vcpu has made, whatever was answered, by PAPR's name."""
    counts = Counter({hcall_name(token): count for token, count in vcpu.hypercalls.items()})
    for (token, _status), count in vcpu.refused.items():
        counts[hcall_name(token)] += count
    return counts
