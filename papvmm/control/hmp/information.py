"""The monitor's ``info`` commands."""

import asyncio
import threading
from typing import Final

from papvmm.control.hmp.areas import areas, hv_writes
from papvmm.control.hmp.command import Call, HmpCommand, Refusal
from papvmm.control.hmp.expression import evaluate
from papvmm.control.hmp.memory import RAM
from papvmm.control.hmp.registers import registers
from papvmm.control.version import PACKAGE, QEMU
from papvmm.machine.history import History
from papvmm.machine.runstate import RunState

WRITES: Final = 20
MOST_WRITES: Final = 500
"""Stores that ``info hv-writes`` shows, and the most it does: some 5 ms."""


async def info_registers(call: Call) -> str:
    """Show the registers of this vcpu, of another, or of all."""
    vcpus = [call.vcpu]
    if call.rest == "-a":
        vcpus = list(call.control.machine.guest.vcpus)
    elif call.words:
        vcpus = [call.control.vcpu(evaluate(call.rest, call.vcpu))]
    told = list[str]()
    for vcpu in vcpus:
        told.append(f"\nCPU#{vcpu.vcpu_id}\n{registers(vcpu)}")
        await asyncio.sleep(0)
    return "".join(told)


async def info_cpus(call: Call) -> str:
    """List the vcpus, which share one thread, and mark the one the monitor is at."""
    return "".join(
        f"{'*' if vcpu is call.vcpu else ' '} CPU #{vcpu.vcpu_id}:"
        f" thread_id={threading.get_native_id()}\n"
        for vcpu in call.control.machine.guest.vcpus
    )


async def info_status(call: Call) -> str:
    """Tell the run-state."""
    run_state = call.control.machine.run_state
    if run_state is RunState.RUNNING:
        return "VM status: running\n"
    return f"VM status: paused{'' if run_state is RunState.PAUSED else f' ({run_state.value})'}\n"


async def info_version(_call: Call) -> str:
    """Tell the versions of QEMU (claimed) and papvmm."""
    return f"{'.'.join(map(str, QEMU))}{PACKAGE}\n"


async def info_name(call: Call) -> str:
    """Tell the guest's name, if it has one."""
    return f"{call.control.name}\n" if call.control.name else ""


async def info_mtree(call: Call) -> str:
    """Show what is where in guest physical addresses: RAM."""
    last = call.control.machine.guest.memory.size - 1
    ram = f"{0:016x}-{last:016x} (prio 0, ram): {RAM}\n"
    if call.rest == "-f":
        spaces = "".join(
            f' AS "{name}", root: system\n'
            for name in (
                "memory",
                *(f"cpu-memory-{vcpu.vcpu_id}" for vcpu in call.control.machine.guest.vcpus),
            )
        )
        return f"FlatView #0\n{spaces} Root memory region: system\n  {ram}\n"
    if call.words:
        raise Refusal("it takes -f or nothing")
    return (
        f"address-space: memory\n  {0:016x}-{(1 << 64) - 1:016x} (prio 0, i/o): system\n    {ram}\n"
    )


async def info_dump(call: Call) -> str:
    """Tell how the latest dump is getting on."""
    status, completed, total = call.control.dumps.progress
    done = f"Finished: {100 * completed / total:.2f} %\n" if status == "active" else ""
    return f"Status: {status}\n{done}"


async def info_replay(call: Call) -> str:
    """Tell where the guest is in its run, and how far back one can go."""
    guest = call.control.machine.guest
    if guest.history is None:
        return "Record/replay is not active\n"
    mode = "Replaying" if guest.history.is_past else "Recording"
    told = f"{mode}; current step is {guest.clock.icount:,}\n"
    if isinstance(guest.history, History):
        history = guest.history
        count = len(history.checkpoints)
        told += (
            f"history: {history.begin} to {history.end}, {count} checkpoint"
            f"{'' if count == 1 else 's'}\n"
        )
    return told


async def info_areas(call: Call) -> str:
    """Show the areas of every vcpu."""
    guest = call.control.machine.guest
    return areas(guest.vcpus, guest.door.generation)


async def info_hv_writes(call: Call) -> str:
    """Show the hypervisor's latest stores into guest RAM."""
    count = evaluate(call.rest, call.vcpu) if call.words else WRITES
    if count > MOST_WRITES:
        raise Refusal(f"{count} stores are more than {MOST_WRITES}")
    door = call.control.machine.guest.door
    return hv_writes(reversed(door.writes), count, door.count)


INFORMATION: Final = (
    HmpCommand(("areas",), "", "show the areas that vcpus share with the hypervisor", info_areas),
    HmpCommand(("cpus",), "", "show infos for each CPU", info_cpus),
    HmpCommand(("dump",), "", "display the latest dump status", info_dump),
    HmpCommand(
        ("hv-writes",), "[count]", "show the hypervisor's latest stores into guest RAM",
        info_hv_writes,
    ),
    HmpCommand(("mtree",), "[-f]", "show memory tree (-f: flat view)", info_mtree),
    HmpCommand(("name",), "", "show the current VM name", info_name),
    HmpCommand(
        ("registers",), "[-a|vcpu]", "show the cpu registers (-a: of all cpus)", info_registers
    ),
    HmpCommand(
        ("replay", "history"), "", "show where the guest is in its recorded history", info_replay
    ),
    HmpCommand(("status",), "", "show the current VM status (running|paused)", info_status),
    HmpCommand(("version",), "", "show the version of papvmm", info_version),
)  # fmt: skip
