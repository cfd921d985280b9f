"""The QMP commands papvmm has: QEMU's of these names, and its own, which begin with x-papvmm.

What looks at the state of vcpus, or changes it, does so between two guest entries of every vcpu.
"""

import asyncio
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from papvmm.control.qmp.control import Control
from papvmm.control.qmp.protocol import NEGOTIATE, VERSION
from papvmm.control.qmp.report import areas_of, hv_write
from papvmm.control.qmp.schema import BadArgument, Command, command
from papvmm.control.snapshot.save import save
from papvmm.control.strict_json import Json
from papvmm.errors import BadInput
from papvmm.isa.processors import type_name
from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg
from papvmm.machine.runstate import RunState
from papvmm.trace.events import HvWrite

QUIT: Final = "host-qmp-quit"
SYSTEM_RESET: Final = "host-qmp-system-reset"
MOST_STORES: Final = 10_000
"""Stores that one answer tells of: 3 MB of JSON."""
STORES_AT_ONCE: Final = 512
"""Stores that are looked at between two turns of the guest: some 5 ms."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """A command without arguments."""


@dataclass(frozen=True, slots=True)
class OneRegGet:
    """Which register: ``id`` is KVM's number or name."""

    vcpu: int
    id: int | str


@dataclass(frozen=True, slots=True)
class OneRegSet:
    """Which register, and what it becomes."""

    vcpu: int
    id: int | str
    value: int | list[int]


@dataclass(frozen=True, slots=True)
class HvWrites:
    """Which stores: those of all that is given, the newest ``limit`` of them."""

    vcpu: int | None = None
    area: str | None = None
    field: str | None = None
    actor: str | None = None
    gpa: int | None = None
    length: int = 1
    stale: bool | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True)
class Save:
    """Where to: an absolute path on the host."""

    directory: str


async def query_version(_control: Control, _arguments: Nothing) -> Json:
    """Tell the versions of QEMU (claimed) and papvmm."""
    return VERSION


async def query_name(control: Control, _arguments: Nothing) -> Json:
    """Tell the name of the guest, if it has one."""
    return {"name": control.name} if control.name else {}


async def query_commands(_control: Control, _arguments: Nothing) -> Json:
    """List the commands."""
    return [{"name": name} for name in (NEGOTIATE, *COMMANDS)]


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


async def stop(control: Control, _arguments: Nothing) -> Json:
    """Pause a machine that runs."""
    await control.machine.pause()
    return {}


async def cont(control: Control, _arguments: Nothing) -> Json:
    """Let a machine run that doesn't."""
    if control.machine.run_state is not RunState.RUNNING:
        control.machine.resume()
    return {}


async def system_reset(control: Control, _arguments: Nothing) -> Json:
    """Reset the guest."""
    await control.machine.reset(SYSTEM_RESET)
    return {}


async def quit_machine(control: Control, _arguments: Nothing) -> Json:
    """Shut down, once the answer is out."""
    asyncio.get_running_loop().call_soon(control.machine.quit, QUIT)
    return {}


async def one_reg_get(control: Control, arguments: OneRegGet) -> Json:
    """Get a register by KVM's ONE_REG; errors begin with the name of the errno."""
    vcpu, reg_id = control.vcpu(arguments.vcpu), _register(arguments.id)
    value = await control.machine.between_entries(lambda: get_one_reg(vcpu, reg_id))
    return {"value": list(value)}


async def one_reg_set(control: Control, arguments: OneRegSet) -> Json:
    """Set a register by KVM's ONE_REG; errors begin with the name of the errno."""
    vcpu, reg_id = control.vcpu(arguments.vcpu), _register(arguments.id)
    value = arguments.value
    payload = (value,) if isinstance(value, int) else tuple(value)
    await control.machine.between_entries(lambda: set_one_reg(vcpu, reg_id, payload))
    return {}


async def query_areas(control: Control, _arguments: Nothing) -> Json:
    """Tell what areas each vcpu has."""
    vcpus = control.machine.guest.vcpus
    return await control.machine.between_entries(lambda: [areas_of(vcpu) for vcpu in vcpus])


async def hv_writes(control: Control, arguments: HvWrites) -> Json:
    """List the hypervisor's latest stores into guest RAM, the oldest of them first."""
    if arguments.limit > MOST_STORES:
        raise BadArgument(f"the argument 'limit' must be at most {MOST_STORES}")
    door = control.machine.guest.door
    total, found = door.count, list[Json]()
    for number, write in enumerate(reversed(door.writes), start=1):
        if len(found) == arguments.limit:
            break
        if _matches(write, arguments):
            found.append(hv_write(write))
        if number % STORES_AT_ONCE == 0:
            await asyncio.sleep(0)
    return {"total": total, "writes": found[::-1]}


def _matches(write: HvWrite, wanted: HvWrites) -> bool:
    return (
        wanted.vcpu in (None, write.vcpu_id)
        and wanted.area in (None, write.area)
        and wanted.field in (None, write.field)
        and wanted.actor in (None, write.actor)
        and wanted.stale in (None, write.is_stale)
        and (wanted.gpa is None or _overlap(write, wanted.gpa, wanted.length))
    )


def _overlap(write: HvWrite, gpa: int, length: int) -> bool:
    return write.gpa < gpa + length and gpa < write.gpa + len(write.new)


async def save_guest(control: Control, arguments: Save) -> Json:
    """Save the guest; ``notes`` tells what a saved guest can't carry."""
    directory = _path(arguments.directory)
    guest = control.machine.guest
    notes = await control.machine.between_entries(lambda: save(guest, directory))
    return {"directory": os.fspath(directory), "notes": list(notes)}


def _path(text: str) -> Path:
    try:
        is_path = b"\0" not in os.fsencode(text) and os.path.isabs(text)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise BadArgument("the argument 'directory' must be an absolute path")
    return Path(text)


def _register(number_or_name: int | str) -> int:
    if isinstance(number_or_name, int):
        return number_or_name
    try:
        return register_id(number_or_name)
    except BadInput as error:
        raise BadArgument(f"EINVAL: {error}") from None


COMMANDS: Final[Mapping[str, Command]] = {
    one.name: one
    for one in (
        command("query-version", Nothing, query_version, oob=True),
        command("query-commands", Nothing, query_commands, oob=True),
        command("query-name", Nothing, query_name, oob=True),
        command("query-status", Nothing, query_status, oob=True),
        command("query-cpus-fast", Nothing, query_cpus_fast, oob=True),
        command("stop", Nothing, stop),
        command("cont", Nothing, cont),
        command("system_reset", Nothing, system_reset),
        command("quit", Nothing, quit_machine),
        command("x-papvmm-one-reg-get", OneRegGet, one_reg_get),
        command("x-papvmm-one-reg-set", OneRegSet, one_reg_set),
        command("x-papvmm-query-areas", Nothing, query_areas),
        command("x-papvmm-hv-writes", HvWrites, hv_writes),
        command("x-papvmm-save", Save, save_guest),
    )
}
"""Those but for the negotiation, which the protocol does itself."""
