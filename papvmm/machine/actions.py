"""What the doings of a guest do to its machine, by the actions of its configuration."""

from papvmm.machine.config import MachineConfig, OnPanic, OnShutdown
from papvmm.machine.outcome import (
    GUEST_PANICKED,
    GUEST_SHUTDOWN,
    Outcome,
    Panicked,
    Paused,
    PoweredOff,
)
from papvmm.papr.hcall import GuestPanic, PowerOff


def ending(config: MachineConfig, then: PowerOff | GuestPanic) -> Outcome | None:
    """Return what ends or pauses the machine when its guest gives up in good or bad order."""
    if isinstance(then, PowerOff):
        is_end = config.on_shutdown is OnShutdown.POWEROFF
        return PoweredOff() if is_end else Paused(GUEST_SHUTDOWN)
    match config.on_panic:
        case OnPanic.SHUTDOWN:
            return Panicked(then.message)
        case OnPanic.PAUSE:
            return Paused(GUEST_PANICKED)
        case OnPanic.NONE:
            return None
