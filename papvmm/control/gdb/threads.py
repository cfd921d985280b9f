"""vcpus as threads: their names in the protocol, and what ``info threads`` says about them."""

from typing import Final, NamedTuple

from papvmm.machine.guest import Guest
from papvmm.vcpu.vcpu import Vcpu, VcpuRunState
from papvmm.vpa.areas import VpaArea
from papvmm.vpa.layout import Area

PROCESS: Final = 1
"""The guest is one process to a debugger, with a thread for each vcpu, from 1 on."""
ALL: Final = -1
ANY: Final = 0


class ThreadId(NamedTuple):
    """A process and a thread, each of which may be ``ALL`` or ``ANY``."""

    process: int
    thread: int

    def means(self, vcpu: Vcpu) -> bool:
        """Tell whether a vcpu is meant."""
        return self.process in (ALL, ANY, PROCESS) and self.thread in (ALL, ANY, vcpu.vcpu_id + 1)


def thread_info(guest: Guest, vcpu: Vcpu) -> str:
    """Say what a vcpu does, and what areas it has: ``vcpu0 CEDED vpa=0x8000``."""
    areas = (_area(vcpu.areas.area(kind)) for kind in Area)
    return " ".join(filter(None, (f"vcpu{vcpu.vcpu_id}", _activity(guest, vcpu), *areas)))


def _activity(guest: Guest, vcpu: Vcpu) -> str:
    if vcpu.run_state is not VcpuRunState.RUNNABLE:
        return vcpu.run_state.name
    if guest.inside is vcpu:
        return "RUNNING"
    return "ENTERING" if guest.scheduler.current is vcpu else "READY"


def _area(area: VpaArea) -> str:
    """Return an area in force, and what it is to become if that is asked for."""
    name, pinned = area.kind.name.lower(), area.pinned
    texts = [] if pinned is None else [_range(area.kind, pinned.gpa, pinned.end - pinned.gpa)]
    if area.update_pending:
        wanted = _range(area.kind, area.next_gpa, area.length) if area.next_gpa else "none"
        texts.append(f"->{wanted}")
    return f"{name}={''.join(texts)}" if texts else ""


def _range(kind: Area, gpa: int, length: int) -> str:
    return f"{gpa:#x}" if kind is Area.VPA else f"{gpa:#x}+{length}"
