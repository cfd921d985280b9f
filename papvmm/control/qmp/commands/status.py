"""Commands that tell what machine this is, and how it is."""

import threading
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.protocol import VERSION
from papvmm.control.qmp.schema import Nothing, command
from papvmm.control.strict_json import Json
from papvmm.isa.processors import type_name
from papvmm.machine.runstate import RunState


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
    run_state = control.machine.run_state
    return {"running": run_state is RunState.RUNNING, "status": run_state.value}


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
    command("query-version", Nothing, query_version, oob=True),
    command("query-target", Nothing, query_target, oob=True),
    command("query-name", Nothing, query_name, oob=True),
    command("query-status", Nothing, query_status, oob=True),
    command("query-cpus-fast", Nothing, query_cpus_fast, oob=True),
)
