"""Which QMP events a machine causes: as QEMU sends them."""

from collections.abc import Callable
from typing import Final, TypeAlias, assert_never

from papvmm.control.control import Control
from papvmm.control.dump.job import Progress
from papvmm.control.migration.figures import Status
from papvmm.control.qmp.commands.memory import progress
from papvmm.control.steering import QUIT
from papvmm.control.strict_json import Object
from papvmm.machine.outcome import (
    GuestReset,
    HostCrashed,
    NoProgress,
    Outcome,
    Panicked,
    Paused,
    PoweredOff,
    Quit,
    VcpuCrashed,
)
from papvmm.machine.runstate import RunState
from papvmm.trace.events import MachineReset

GUEST_RESET: Final = "guest-reset"

Send: TypeAlias = Callable[[str, Object], None]
"""Takes the name of an event, and its data."""


def watch(control: Control, send: Send) -> Callable[[], None]:
    """Call ``send`` with every event of a machine; return what ends that."""
    machine = control.machine
    was_running = machine.run_state is RunState.RUNNING

    def on_change(run_state: RunState, outcome: Outcome) -> None:
        nonlocal was_running
        if was_running and run_state not in (RunState.RUNNING, RunState.SHUTDOWN):
            send("STOP", {})
        was_running = run_state is RunState.RUNNING
        if run_state is RunState.RUNNING:
            send("RESUME", {})
        elif run_state is RunState.SHUTDOWN:
            send("SHUTDOWN", {"guest": _by_guest(outcome), "reason": shutdown_cause(outcome)})

    def on_reset(reset: MachineReset) -> None:
        send("RESET", {"guest": reset.reason == GUEST_RESET, "reason": reset.reason})

    def on_dump(latest: Progress, why: str) -> None:
        error: Object = {"error": why} if why else {}
        send("DUMP_COMPLETED", {"result": progress(latest), **error})

    def on_status(status: Status) -> None:
        if control.migration.capabilities.events:
            send("MIGRATION", {"status": status.value})

    unsubscribe = machine.guest.door.tracer.subscribe(MachineReset, on_reset)
    machine.on_change.append(on_change)
    control.dumps.on_end.append(on_dump)
    control.migration.on_status.append(on_status)

    def end() -> None:
        unsubscribe()
        machine.on_change.remove(on_change)
        control.dumps.on_end.remove(on_dump)
        control.migration.on_status.remove(on_status)

    return end


def _by_guest(outcome: Outcome) -> bool:
    return isinstance(outcome, PoweredOff | GuestReset | Panicked)


def shutdown_cause(outcome: Outcome) -> str:
    """Return what QMP's ShutdownCause calls the end of a machine."""
    match outcome:
        case PoweredOff():
            return "guest-shutdown"
        case GuestReset():
            return GUEST_RESET
        case Panicked():
            return "guest-panic"
        case VcpuCrashed() | HostCrashed():
            return "host-error"
        case Quit("SIGHUP" | "SIGINT" | "SIGQUIT" | "SIGTERM"):
            return "host-signal"
        case Quit("host-qmp-quit"):
            return QUIT
        case Quit("console"):
            return "host-ui"
        case Quit() | NoProgress() | Paused():
            return "none"
        case _:
            assert_never(outcome)
