"""``-d``: what happens to a guest, a line each, in classes that QEMU has, too, and some of ours."""

from collections.abc import Callable, Collection, Mapping
from typing import Final

from papvmm.isa.interrupts import Interrupt
from papvmm.isa.state import CIA, DAR, DSISR, NOW, SRR0, SRR1
from papvmm.machine.guest import Guest
from papvmm.mmu.translate import (
    BAD_TABLE,
    BAD_TREE,
    DSISR_STORE,
    KEY_PROTECTED,
    NO_EXECUTE,
    NO_TRANSLATION,
    PROTECTED,
)
from papvmm.observe.wording import AREA_TEXT, counted, entry_text, shortened
from papvmm.papr.arguments import argument_names
from papvmm.papr.hcall import Hcall, HcallStatus, status_name
from papvmm.trace.events import AreaRequested, HcallDone, HvWrite, MachineReset, RtasDone
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.layout import Area

UNIMP: Final = "unimp"
IN_ASM: Final = "in_asm"
EXEC: Final = "exec"
CPU: Final = "cpu"

CLASSES: Final[Mapping[str, str]] = {
    "int": "interrupts that vcpus take, but for system calls",
    "hcall": "hypercalls and RTAS calls, with arguments and answers",
    "vpa": "registrations of areas, and the hypervisor's stores into VPAs",
    "dtl": "entries of dispatch trace logs",
    "mmu": "translations that failed, and hypercalls that change page tables",
    "guest_errors": "hypercalls that were refused",
    UNIMP: "hypercalls and RTAS calls that there are not, the first time",
    IN_ASM: "instructions, the first time they are executed; one at a time, which is slow",
    EXEC: "where each instruction is; one at a time, which is slow",
    CPU: "registers before each instruction; one at a time, which is slow",
}

_STORAGE: Final = (Interrupt.DATA_STORAGE, Interrupt.DATA_SEGMENT)
_FETCH: Final = (Interrupt.INSTRUCTION_STORAGE, Interrupt.INSTRUCTION_SEGMENT)
_SEGMENT: Final = (Interrupt.DATA_SEGMENT, Interrupt.INSTRUCTION_SEGMENT)
_CAUSES: Final = {
    NO_TRANSLATION: "not mapped",
    NO_EXECUTE: "not executable",
    PROTECTED: "not permitted",
    KEY_PROTECTED: "kept out by its key",
    BAD_TREE: "a tree that isn't supported",
    BAD_TABLE: "a table outside RAM",
}
_TABLES: Final = frozenset(
    hcall.name
    for hcall in (
        Hcall.H_ENTER, Hcall.H_REMOVE, Hcall.H_BULK_REMOVE, Hcall.H_PROTECT, Hcall.H_CLEAR_MOD,
        Hcall.H_CLEAR_REF, Hcall.H_REGISTER_PROC_TBL,
    )
)  # fmt: skip
_ORDINARY: Final = frozenset(
    (HcallStatus.H_FUNCTION, HcallStatus.H_PTEG_FULL, HcallStatus.H_NOT_FOUND)
)
"""Answers that are no refusals: what there isn't is ``unimp``'s."""
_WHY: Final[Mapping[tuple[str, int], str]] = {
    (Hcall.H_REGISTER_VPA.name, HcallStatus.H_RESOURCE): (
        ": the VPA is registered before the other areas, and deregistered after them"
    ),
}


class Log:
    """Writes lines about a guest from now on; ``write`` gets them without their line ends.

    ``classes`` are those of ``CLASSES`` that have to do with events.
    """

    def __init__(
        self, guest: Guest, classes: Collection[str], write: Callable[[str], None]
    ) -> None:
        self._guest: Final = guest
        self._classes: Final = classes
        self._write: Final = write
        tracer = guest.door.tracer
        if {"hcall", "mmu", "guest_errors"} & set(classes):
            tracer.subscribe(HcallDone, self._hcall)
        if "hcall" in classes:
            tracer.subscribe(RtasDone, self._rtas)
        if {"vpa", "dtl"} & set(classes):
            tracer.subscribe(HvWrite, self._store)
        if "vpa" in classes:
            tracer.subscribe(AreaRequested, self._request)
        if {"int", "mmu"} & set(classes):
            for vcpu in guest.vcpus:
                vcpu.engine.interrupted.append(self._listener(vcpu))
        tracer.subscribe(MachineReset, self._reset)

    def _say(self, class_: str, vcpu_id: int, icount: int, text: str) -> None:
        self._write(f"{class_}: vcpu{vcpu_id} @{icount:,} {text}")

    # Hypercalls.

    def _hcall(self, event: HcallDone) -> None:
        names = argument_names(event.name)
        told = ", ".join(f"{n}={v:#x}" for n, v in zip(names, event.args, strict=False))
        outputs = "".join(f", {value:#x}" for value in event.outputs)
        text = f"{event.name}({told}) -> {status_name(event.status)}{outputs}"
        for class_, wanted in (
            ("hcall", True),
            ("mmu", event.name in _TABLES),
            ("guest_errors", event.status < 0 and event.status not in _ORDINARY),
        ):
            if wanted and class_ in self._classes:
                why = _WHY.get((event.name, event.status), "")
                more = why if class_ == "guest_errors" else ""
                self._say(class_, event.vcpu_id, event.icount, text + more)

    def _rtas(self, event: RtasDone) -> None:
        args = ", ".join(f"{word:#x}" for word in event.args)
        returns = ", ".join(f"{word:#x}" for word in event.returns) or "nothing"
        self._say("hcall", event.vcpu_id, event.icount, f"rtas {event.name}({args}) -> {returns}")

    # Areas.

    def _request(self, event: AreaRequested) -> None:
        area = event.registration
        what = f"the {AREA_TEXT[area.area]} of vcpu{area.vcpu_id}"
        who = "the host" if area.caller is None else f"vcpu{area.caller}"
        text = f"{what} is unregistered by {who}, {area.door}"
        if area.gpa:
            size = counted(area.length, "byte")
            text = f"{what} is registered by {who}, {area.door}, at {area.gpa:#x}, {size}"
        self._say("vpa", area.vcpu_id, area.icount, text)

    def _store(self, write: HvWrite) -> None:
        class_ = {Area.VPA.name: "vpa", Area.DTL.name: "dtl"}.get(write.area)
        if class_ is None or class_ not in self._classes:
            return
        value = f"{shortened(write.old)} -> {shortened(write.new)}"
        if class_ == "dtl":
            value = entry_text(write.new, self._guest.describe)
        stale = ", STALE: registered before the reset" if write.is_stale else ""
        text = f"{write.actor} stores {write.field} at {write.gpa:#x}: {value}{stale}"
        self._say(class_, write.vcpu_id, write.icount, text)

    # Interrupts.

    def _listener(self, vcpu: Vcpu) -> Callable[[Interrupt], None]:
        return lambda interrupt: self._interrupt(vcpu, interrupt)

    def _interrupt(self, vcpu: Vcpu, interrupt: Interrupt) -> None:
        state, describe = vcpu.state, self._guest.describe
        icount = state.read(NOW) - self._guest.clock.warped
        srr0, srr1 = state.read(SRR0), state.read(SRR1)
        if "int" in self._classes:
            text = (
                f"{interrupt:#x} {interrupt.name} at {describe(srr0)}, SRR1 {srr1:#x},"
                f" to {state.read(CIA):#x}"
            )
            if interrupt in (*_STORAGE, Interrupt.ALIGNMENT):
                text += f", DAR {state.read(DAR):#x}, DSISR {state.read(DSISR):#x}"
            self._say("int", vcpu.vcpu_id, icount, text)
        if "mmu" in self._classes and interrupt in (*_STORAGE, *_FETCH):
            fetch = interrupt in _FETCH
            ea = srr0 if fetch else state.read(DAR)
            causes = srr1 if fetch else state.read(DSISR)
            told = [text for bit, text in _CAUSES.items() if causes & bit]
            if interrupt in _SEGMENT:
                told = ["no segment"]
            what = "fetch" if fetch else "store" if causes & DSISR_STORE else "load"
            by = "" if fetch else f" by {describe(srr0)}"
            text = f"{what} at {ea:#x}{by}: {', '.join(told) or f'{causes:#x}'}"
            self._say("mmu", vcpu.vcpu_id, icount, text)

    def _reset(self, event: MachineReset) -> None:
        self._write(f"reset: @{event.icount:,} {event.reason}, areas: {event.policy}")
