"""``from papvmm import Machine``: a machine driven step by step, without an event loop.

It drives the same guest that the asynchronous machine drives, through the same entries and
exits; only nobody else is served meanwhile.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, overload

from papvmm.bits import ones
from papvmm.engine.accel import DEFAULT_ACCEL
from papvmm.isa.processors import DEFAULT_MODEL
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, ArchState, Cell
from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg
from papvmm.machine.builder import build
from papvmm.machine.config import File, MachineConfig, parse_size
from papvmm.machine.guest import FOREVER, Guest
from papvmm.machine.outcome import Outcome, Paused
from papvmm.memory.guest_memory import GuestMemory
from papvmm.trace.events import HcallDone, HvWrite, VcpuEntered
from papvmm.vcpu.vcpu import Vcpu


class Registers:
    """The 32 general purpose registers: unsigned 64-bit numbers, readable and writable."""

    def __init__(self, state: ArchState) -> None:
        self._state: Final = state

    def __len__(self) -> int:
        return 32

    def __getitem__(self, number: int) -> int:
        return self._state.read(GPR, range(32)[number])

    def __setitem__(self, number: int, value: int) -> None:
        self._state.write(GPR, value, range(32)[number])


class _Register:
    """A register of a ``VcpuView``, which is a state cell."""

    def __init__(self, cell: Cell) -> None:
        self._cell: Final = cell

    @overload
    def __get__(self, vcpu: None, owner: type) -> "_Register": ...
    @overload
    def __get__(self, vcpu: "VcpuView", owner: type) -> int: ...
    def __get__(self, vcpu: "VcpuView | None", owner: type) -> "int | _Register":
        return self if vcpu is None else vcpu.state.read(self._cell)

    def __set__(self, vcpu: "VcpuView", value: int) -> None:
        vcpu.state.write(self._cell, value)


class VcpuView:
    """The registers of one vcpu, as ints; ``cr`` and ``xer`` are the words mfcr and mfxer give."""

    def __init__(self, vcpu: Vcpu) -> None:
        self.vcpu: Final = vcpu
        self.state: Final = vcpu.state
        self.gpr: Final = Registers(vcpu.state)

    pc = _Register(CIA)
    msr = _Register(MSR)
    lr = _Register(LR)
    ctr = _Register(CTR)

    @property
    def cr(self) -> int:
        """The condition register, 32 bits."""
        return self.state.cr

    @cr.setter
    def cr(self, word: int) -> None:
        self.state.cr = word & ones(32)

    @property
    def xer(self) -> int:
        """The fixed-point exception register."""
        return self.state.xer

    @xer.setter
    def xer(self, word: int) -> None:
        self.state.xer = word


class Machine:
    """A guest under the caller's control.

    ``memory`` is a size (``'1M'``, or bytes), ``smp`` the number of vcpus, ``hv`` the level of
    the hypervisor's rules, ``cpu`` a processor's name. Without an image the boot vcpu starts at
    address 0, in 64-bit big-endian real mode. ``output`` collects what the guest prints.
    """

    def __init__(
        self,
        memory: str | int = "512M",
        smp: int = 1,
        accel: str = DEFAULT_ACCEL,
        hv: str = "kvm",
        cpu: str = DEFAULT_MODEL.name,
    ) -> None:
        size = memory if isinstance(memory, int) else parse_size(memory)
        config = MachineConfig(memory_size=size, vcpus=smp, accel=accel, hv=hv, cpu=cpu)
        self._guest: Final = build(config)
        self._guest.boot()
        self.vcpus: Final = tuple(VcpuView(vcpu) for vcpu in self._guest.vcpus)
        self.output: Final = bytearray()
        self._guest.console.output = self.output.extend

    @property
    def guest(self) -> Guest:
        """What is driven, for those who need more than this class offers."""
        return self._guest

    @property
    def memory(self) -> GuestMemory:
        """Guest RAM: ``read(gpa, length)`` and ``write(gpa, data)``."""
        return self._guest.memory

    @property
    def icount(self) -> int:
        """Instructions completed by all vcpus."""
        return self._guest.clock.icount

    def load(self, path: str | Path) -> None:
        """Load an ELF image and make the boot vcpu begin at its entry; BadInput if it can't be."""
        self._guest.load(File(str(path), Path(path).read_bytes()))

    def run(self, max_instructions: int | None = None, until_pc: int | None = None) -> Outcome:
        """Run until the guest ends, and no further than asked; return why it stopped.

        ``until_pc`` stops *before* the instruction there is executed, on whichever vcpu comes
        to it first, and at once if the vcpu whose turn it is is there already.
        """
        limit = FOREVER if max_instructions is None else max_instructions
        if until_pc is None:
            return self._guest.run(limit)
        vcpu = self._guest.next_turn()
        if vcpu is not None and vcpu.state.read(CIA) == until_pc:
            return Paused("breakpoint")
        breakpoints = [vcpu.engine.breakpoints for vcpu in self._guest.vcpus]
        added = [places for places in breakpoints if until_pc not in places]
        for places in added:
            places.add(until_pc)
        try:
            return self._guest.run(limit)
        finally:
            for places in added:
                places.discard(until_pc)

    def step(self) -> Outcome:
        """Execute one instruction."""
        return self._guest.run(1)

    def one_reg_get(self, vcpu: int, register: int | str) -> tuple[int, ...]:
        """KVM_GET_ONE_REG by id or name; OneRegError has the errno of a refusal."""
        return get_one_reg(self._guest.vcpus[vcpu], _id(register))

    def one_reg_set(self, vcpu: int, register: int | str, *value: int | Sequence[int]) -> None:
        """KVM_SET_ONE_REG by id or name; OneRegError has the errno of a refusal.

        What ``one_reg_get`` returns is a value; its numbers may be arguments of their own, too.
        """
        payload = [n for part in value for n in ((part,) if isinstance(part, int) else part)]
        set_one_reg(self._guest.vcpus[vcpu], _id(register), tuple(payload))

    def on_hypercall(self, listener: Callable[[HcallDone], None]) -> Callable[[], None]:
        """Call ``listener`` after every hypercall; the returned function ends that."""
        return self._guest.door.tracer.subscribe(HcallDone, listener)

    def on_entry(self, listener: Callable[[VcpuEntered], None]) -> Callable[[], None]:
        """Call ``listener`` at every guest entry; the returned function ends that."""
        return self._guest.door.tracer.subscribe(VcpuEntered, listener)

    def on_hv_write(self, listener: Callable[[HvWrite], None]) -> Callable[[], None]:
        """Call ``listener`` at every store of the hypervisor; the returned function ends that."""
        return self._guest.door.tracer.subscribe(HvWrite, listener)


def _id(register: int | str) -> int:
    return register if isinstance(register, int) else register_id(register)
