"""Commands that tell what machine this is, and how it is."""

import threading
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.protocol import VERSION
from papvmm.control.qmp.schema import Nothing, command
from papvmm.control.strict_json import Json
from papvmm.isa.processors import type_name
from papvmm.machine.config import MOST_VCPUS
from papvmm.machine.outcome import GUEST_PANICKED, GUEST_SHUTDOWN, Paused
from papvmm.machine.runstate import RunState

MACHINE: Final = "pseries"
PAUSES: Final = {
    "breakpoint": "debug",
    "watchpoint": "debug",
    GUEST_PANICKED: "guest-panicked",
    GUEST_SHUTDOWN: "shutdown",
}
"""What QMP calls a pause, by its reason, if not paused."""


async def query_version(_control: Control, _arguments: Nothing) -> Json:
    """Tell the versions of QEMU (claimed) and papvmm."""
    return VERSION


async def query_target(_control: Control, _arguments: Nothing) -> Json:
    """Tell which processors the machine has."""
    return {"arch": "ppc64"}


async def query_name(control: Control, _arguments: Nothing) -> Json:
    """Tell the name of the guest, if it has one."""
    return {"name": control.name} if control.name else {}


async def query_status(control: Control, _arguments: Nothing) -> Json:
    """Tell the run-state."""
    machine = control.machine
    run_state, status = machine.run_state, machine.run_state.value
    if run_state is RunState.PAUSED and isinstance(machine.outcome, Paused):
        status = PAUSES.get(machine.outcome.why, status)
    return {"running": run_state is RunState.RUNNING, "status": status}


async def query_kvm(_control: Control, _arguments: Nothing) -> Json:
    """Tell that the host's KVM has no part in this."""
    return {"enabled": False, "present": False}


async def query_machines(control: Control, _arguments: Nothing) -> Json:
    """List the machines there are: one."""
    return [
        {
            "name": MACHINE,
            "is-default": True,
            "cpu-max": MOST_VCPUS,
            "hotpluggable-cpus": False,
            "numa-mem-supported": False,
            "deprecated": False,
            "acpi": False,
            "default-cpu-type": type_name(control.machine.guest.vcpus[0].model),
        }
    ]


async def query_missing(control: Control, _arguments: Nothing) -> Json:
    """List the hypercalls and RTAS calls that the guest asked for and there are not."""
    return [
        {
            "kind": asked.first.kind,
            "name": asked.first.name,
            "count": asked.count,
            "expected": asked.is_expected,
            "vcpu": asked.first.vcpu_id,
            "cia": asked.first.cia,
            "where": asked.where,
            "icount": asked.first.icount,
            "generation": asked.first.generation,
        }
        for asked in control.asked_in_vain
    ]


async def query_cpus_fast(control: Control, _arguments: Nothing) -> Json:
    """List the vcpus, which share one thread."""
    return [
        {
            "cpu-index": vcpu.vcpu_id,
            "qom-path": f"/machine/vcpu[{vcpu.vcpu_id}]",
            "thread-id": threading.get_native_id(),
            "target": "ppc64",
            "qom-type": type_name(vcpu.model),
            "props": {"core-id": vcpu.vcpu_id},
        }
        for vcpu in control.machine.guest.vcpus
    ]


STATUS: Final = (
    command("query-kvm", Nothing, query_kvm, oob=True),
    command("query-machines", Nothing, query_machines, oob=True),
    command("x-papvmm-query-missing", Nothing, query_missing),
    command("query-version", Nothing, query_version, oob=True),
    command("query-target", Nothing, query_target, oob=True),
    command("query-name", Nothing, query_name, oob=True),
    command("query-status", Nothing, query_status, oob=True),
    command("query-cpus-fast", Nothing, query_cpus_fast, oob=True),
)
