"""Which QMP events a machine causes: as QEMU sends them."""

from typing import Final, assert_never

from papvmm.control.control import Control
from papvmm.control.dump.job import Progress
from papvmm.control.migration.figures import Status
from papvmm.control.qmp.area_events import AreaEvents, Seldom, Send
from papvmm.control.qmp.commands.memory import progress
from papvmm.control.steering import QUIT
from papvmm.control.strict_json import Object
from papvmm.machine.config import OnPanic
from papvmm.machine.outcome import (
    GUEST_SHUTDOWN,
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
from papvmm.trace.events import GuestPanicked, MachineReset

GUEST_RESET: Final = "guest-reset"

PANIC_ACTIONS: Final = {
    OnPanic.SHUTDOWN: "poweroff", OnPanic.PAUSE: "pause", OnPanic.NONE: "run",
}  # fmt: skip
"""What QMP's GuestPanicAction calls them."""


class Events:
    """Sends the events of one machine until ``end``."""

    def __init__(self, control: Control, send: Send) -> None:
        self._control: Final = control
        self._send: Final = send
        machine = control.machine
        tracer = machine.guest.door.tracer
        self._unsubscribe: Final = (
            tracer.subscribe(MachineReset, self._on_reset),
            tracer.subscribe(GuestPanicked, self._on_panic),
        )
        self._areas: Final = AreaEvents(machine.guest, send)
        self._seldom: Final = Seldom()
        self._was_running = machine.run_state is RunState.RUNNING
        machine.on_change.append(self._on_change)
        control.dumps.on_end.append(self._on_dump)
        control.migration.on_status.append(self._on_status)

    def end(self) -> None:
        """Send no more."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._areas.end()
        self._control.machine.on_change.remove(self._on_change)
        self._control.dumps.on_end.remove(self._on_dump)
        self._control.migration.on_status.remove(self._on_status)

    def _on_change(self, run_state: RunState, outcome: Outcome) -> None:
        if outcome == Paused(GUEST_SHUTDOWN) and run_state is RunState.PAUSED:
            self._send("SHUTDOWN", {"guest": True, "reason": GUEST_SHUTDOWN})
        if self._was_running and run_state not in (RunState.RUNNING, RunState.SHUTDOWN):
            self._send("STOP", {})
        self._was_running = run_state is RunState.RUNNING
        if run_state is RunState.RUNNING:
            self._send("RESUME", {})
        elif run_state is RunState.SHUTDOWN:
            data: Object = {"guest": _by_guest(outcome), "reason": shutdown_cause(outcome)}
            self._send("SHUTDOWN", data)

    def _on_reset(self, reset: MachineReset) -> None:
        by_guest = reset.reason == GUEST_RESET
        self._send("RESET", {"guest": by_guest, "reason": reset.reason})

    def _on_panic(self, panic: GuestPanicked) -> None:
        if self._seldom.passes(GuestPanicked) is not None:
            action = PANIC_ACTIONS[self._control.machine.guest.config.on_panic]
            self._send("GUEST_PANICKED", {"action": action, "x-papvmm-message": panic.message})

    def _on_dump(self, latest: Progress, why: str) -> None:
        error: Object = {"error": why} if why else {}
        self._send("DUMP_COMPLETED", {"result": progress(latest), **error})

    def _on_status(self, status: Status) -> None:
        if self._control.migration.capabilities.events:
            self._send("MIGRATION", {"status": status.value})


def _by_guest(outcome: Outcome) -> bool:
    return isinstance(outcome, PoweredOff | GuestReset | Panicked)


def shutdown_cause(outcome: Outcome) -> str:
    """Return what QMP's ShutdownCause calls the end of a machine."""
    match outcome:
        case PoweredOff():
            return GUEST_SHUTDOWN
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
