"""Who registers an area: the functions of the kernel that were calling, by its own symbols."""

from collections.abc import Iterator, Mapping
from typing import Final

from papvmm.isa.msr import MSR_IR, MSR_LE
from papvmm.isa.state import CIA, GPR, LR, MSR
from papvmm.machine.guest import Guest
from papvmm.trace.events import AreaRequested
from papvmm.vcpu.vcpu import Vcpu

DEEPEST: Final = 3
"""Functions that are named, from the one that wanted the area outwards."""

STUBS: Final = ("hcall", "plpar_hcall")
"""How functions are called that only execute ``sc 1``."""

LINEAR: Final = (1 << 60) - 1
"""Of an address in Linux's linear mapping, as of one in real mode, these bits are the gpa."""
LINUX: Final = 0xC << 60
"""The linear mapping, at which Linux is linked, begins here."""

STACK_POINTER: Final = 1
LR_SAVE: Final = 16
"""Offset in the caller's stack frame (64-bit ELF ABI, versions 1 and 2)."""


class Callers:
    """Listens to a guest, and names the callers behind each registration, by its number."""

    def __init__(self, guest: Guest) -> None:
        self._guest: Final = guest
        self._texts: Final[dict[int, str]] = {}
        guest.door.tracer.subscribe(AreaRequested, self._note)

    @property
    def texts(self) -> Mapping[int, str]:
        """Functions, the innermost first, as in ``vpa_init ← setup_arch``.

        After them comes the symbol at which an area is that lies within the kernel's image.
        """
        return self._texts

    def _note(self, event: AreaRequested) -> None:
        registration = event.registration
        caller = None if registration.caller is None else self._guest.find_vcpu(registration.caller)
        if caller is not None:
            names = dict.fromkeys(filter(None, map(self._name, self._return_addresses(caller))))
            wanted = [name for name in names if not name.startswith(STUBS)]
            chain = " ← ".join(wanted[:DEEPEST])
            place = self._place(caller, registration.gpa)
            self._texts[registration.number] = f"{chain}; at {place}" if place else chain

    def _name(self, address: int) -> str:
        found = None if self._guest.image is None else self._guest.image.symbol_at(address)
        return found[0] if found else ""

    def _place(self, vcpu: Vcpu, gpa: int) -> str:
        image = self._guest.image
        if image is None or not gpa:
            return ""
        vaddr = gpa | LINUX if vcpu.state.read(MSR) & MSR_IR else gpa
        found = image.symbol_at(vaddr) if image.covers(vaddr) else None
        return f"{found[0]}+{found[1]:#x}" if found else ""

    def _return_addresses(self, vcpu: Vcpu) -> Iterator[int]:
        """Yield where the vcpu is, and where it would return to, as far as stack frames say."""
        state, memory = vcpu.state, self._guest.memory
        load = memory.load_le if state.read(MSR) & MSR_LE else memory.load_be
        yield state.read(CIA)
        yield state.read(LR)
        frame = state.read(GPR, STACK_POINTER) & LINEAR
        for _ in range(DEEPEST):
            if not memory.holds(frame, 8):
                return
            frame = load(frame, 8) & LINEAR
            if not frame or not memory.holds(frame, LR_SAVE + 8):
                return
            yield load(frame + LR_SAVE, 8)
