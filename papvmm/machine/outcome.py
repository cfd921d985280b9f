"""How a run of a machine ended: a closed union, handled with ``match``."""

from typing import Final, TypeAlias

from papvmm.engine.exits import Breakpoint, Crash, NotBuilt, Watchpoint
from papvmm.engine.watch import Watch
from papvmm.trace.events import HvWrite
from papvmm.values import Value

GUEST_PANICKED: Final = "guest-panicked"
GUEST_SHUTDOWN: Final = "guest-shutdown"
"""Why a machine paused whose actions say so."""


class PoweredOff(Value):
    """The guest powered off by RTAS."""


class GuestReset(Value):
    """The guest asked for a reset, and the reboot action is shutdown."""


class Panicked(Value):
    """The guest reported a panic (ibm,os-term)."""

    message: str


class VcpuCrashed(Value):
    """A vcpu can't go on: an interrupt loop, or an instruction or mode that is not built."""

    vcpu_id: int
    cia: int
    why: str
    word: int | None


class HostCrashed(Value):
    """The modelled hypervisor crashed, as KVM before v3.7 could be made to."""

    why: str


class NoProgress(Value):
    """Every vcpu waits, and neither a timer nor anybody outside can wake one."""


class Quit(Value):
    """Somebody outside ended the machine."""

    why: str


class GuestAccess(Value):
    """A vcpu is about to access watched bytes, with the instruction at ``cia``."""

    vcpu_id: int
    cia: int
    ea: int
    length: int
    is_store: bool
    watch: Watch


class HypervisorStores(Value):
    """The hypervisor has stored to watched bytes.

    It has done so in the course of a guest exit, hypercall or guest entry, which has come to
    its end: no vcpu has executed an instruction since. Each store is told with the watch.
    """

    stores: tuple[tuple[Watch, HvWrite], ...]


Hit: TypeAlias = GuestAccess | HypervisorStores


class Paused(Value):
    """The machine paused: it was asked to, or ``limit``, a breakpoint or a watchpoint was reached.

    ``hit`` says what happened to watched bytes, if ``why`` is watchpoint.
    """

    why: str
    hit: Hit | None = None


Outcome: TypeAlias = (
    PoweredOff | GuestReset | Panicked | VcpuCrashed | HostCrashed | NoProgress | Quit | Paused
)


def interruption(vcpu_id: int, reason: Breakpoint | Watchpoint | NotBuilt | Crash) -> Outcome:
    """Return why a guest can't go on, or is not to."""
    match reason:
        case Breakpoint():
            return Paused("breakpoint")
        case Watchpoint(cia, ea, length, is_store, watch):
            return Paused("watchpoint", GuestAccess(vcpu_id, cia, ea, length, is_store, watch))
        case NotBuilt(cia, word, what):
            return VcpuCrashed(vcpu_id, cia, what, word)
        case Crash(cia, why):
            return VcpuCrashed(vcpu_id, cia, why, None)
