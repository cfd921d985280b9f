"""Why a guest rests, as a debugger is told: a signal, or the end."""

import os
from collections.abc import Iterator
from typing import Final, TypeAlias

from papvmm.engine.watch import Watch
from papvmm.machine.guest import Guest
from papvmm.machine.history import RECORDED
from papvmm.machine.outcome import GuestAccess, HypervisorStores, Outcome, Paused
from papvmm.trace.events import HvWrite, Registration
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.layout import Area

SIGINT: Final = 2
SIGTRAP: Final = 5
SIGABRT: Final = 6
SIGTERM: Final = 15

ATTACHED: Final = "a debugger attached"
STEPPED: Final = "limit"
BREAKPOINT: Final = "breakpoint"
WATCHPOINT: Final = "watchpoint"
TRAPS: Final = (ATTACHED, STEPPED, BREAKPOINT, WATCHPOINT, RECORDED)
"""Why a machine pauses where gdb says SIGTRAP; where else somebody has interrupted it."""

BEGIN: Final = "replaylog:begin"
END: Final = "replaylog:end"
"""There is no more history in this direction."""


class Stopped(Value):
    """A vcpu got a signal, as gdb calls it.

    ``reason`` is more about that in the protocol's words, empty if there is no more to say;
    ``text`` is for people.
    """

    signal: int
    vcpu: Vcpu
    reason: str = ""
    text: str = ""


class Ended(Value):
    """The guest is no more; ``code`` is papvmm's exit code."""

    code: int


Stop: TypeAlias = Stopped | Ended


def stopped(outcome: Outcome, guest: Guest, vcpu: Vcpu) -> Stopped:
    """Return what the pause of a machine is to a debugger; ``vcpu`` had the turn."""
    if not isinstance(outcome, Paused):
        return Stopped(SIGINT, vcpu)
    signal = SIGTRAP if outcome.why in TRAPS else SIGINT
    match outcome.hit:
        case GuestAccess(watch=watch):
            return Stopped(signal, vcpu, _watched(watch))
        case HypervisorStores(stores):
            text = "".join(f"{line}\n" for line in _told(stores, guest))
            return Stopped(signal, vcpu, _watched(stores[0][0]), text)
        case _:
            return Stopped(signal, vcpu, END if outcome.why == RECORDED else "")


def _watched(watch: Watch) -> str:
    kind = "" if not watch.loads else "a" if watch.stores else "r"
    return f"{kind}watch:{watch.address:x}"


def _told(stores: tuple[tuple[Watch, HvWrite], ...], guest: Guest) -> Iterator[str]:
    """Yield a line for each store, however many watch it."""
    for write in dict.fromkeys(write for _, write in stores):
        what = write.field or f"{len(write.new)} bytes"
        values = f"{_number(write.old)} -> {_number(write.new)}"
        yield (
            f"hypervisor: vcpu{write.vcpu_id} {what} {values} at gpa {write.gpa:#x}"
            f" ({write.actor} @ {write.icount:,}){_origin(write.registration, guest)}"
        )


def _number(data: bytes) -> str:
    return f"{int.from_bytes(data):#x}" if len(data) <= 8 else f"{data[:8].hex()}.."


def _origin(registration: Registration | None, guest: Guest) -> str:
    """Say whose area is stored into, and by which kernel it was registered."""
    if registration is None:
        return ""
    kernel = guest.config.kernel_for(registration.generation)
    by = f" by {os.path.basename(kernel.name)}" if kernel is not None else ""
    stale = " (STALE)" if registration.generation < guest.door.generation else ""
    name = _NAMES[registration.area]
    return f", {name} registered{by} @ {registration.icount:,}{stale}"


_NAMES: Final = {Area.VPA.name: "VPA", Area.SLB_SHADOW.name: "SLB shadow", Area.DTL.name: "DTL"}
