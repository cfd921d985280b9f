"""What reaches a guest from outside: all there is, besides its configuration, that a run is of.

``Guest.take`` lets one happen, and has it noted where a history is kept.
"""

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from papvmm.clock import VirtualClock
from papvmm.devices.vty import Vty
from papvmm.machine.outcome import Outcome
from papvmm.machine.scheduler import Scheduler
from papvmm.memory.guest_memory import GuestMemory
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu


class Receiver(Protocol):
    """What inputs reach of a guest."""

    @property
    def clock(self) -> VirtualClock:
        """Virtual time."""
        ...

    @property
    def console(self) -> Vty:
        """The virtual terminal."""
        ...

    @property
    def memory(self) -> GuestMemory:
        """RAM."""
        ...

    @property
    def scheduler(self) -> Scheduler:
        """Whose turn it is."""
        ...

    @property
    def vcpus(self) -> Sequence[Vcpu]:
        """Every vcpu."""
        ...

    def reset(self, reason: str) -> None:
        """Return to the state after power-on."""
        ...

    def system_reset(self, vcpu: Vcpu) -> None:
        """Interrupt a vcpu, whatever MSR[EE] says."""
        ...


class Keys(Value):
    """Characters typed at the console."""

    characters: bytes

    def apply(self, guest: Receiver) -> None:
        """Have the guest find them, and be interrupted for them."""
        guest.console.feed(self.characters)


class Warp(Value):
    """Virtual time went on, to a count (ns), because the host's did."""

    count: int

    def apply(self, guest: Receiver) -> None:
        """Let time pass; the vcpu that has the turn executes nothing in it."""
        passed, vcpu = self.count - guest.clock.count, guest.scheduler.current
        guest.clock.warp_to(self.count)
        if vcpu is not None:
            vcpu.stand_by(passed)


class Reset(Value):
    """Somebody reset the machine."""

    reason: str

    def apply(self, guest: Receiver) -> None:
        """Reset it."""
        guest.reset(self.reason)


class OneReg(Value):
    """Somebody set a register of a vcpu by KVM's ONE_REG; OneRegError if it is refused."""

    vcpu_id: int
    register: int
    value: tuple[int, ...]

    def apply(self, guest: Receiver) -> None:
        """Set it."""
        from papvmm.kvmapi.one_reg import set_one_reg  # noqa: PLC0415 - few ever do

        set_one_reg(guest.vcpus[self.vcpu_id], self.register, self.value)


class Registers(Value):
    """A debugger changed registers of a vcpu: bytes of its state, as ``isa/state.py`` lays it out.

    ``changes`` has offsets and what is there from then on.
    """

    vcpu_id: int
    changes: tuple[tuple[int, bytes], ...]

    def apply(self, guest: Receiver) -> None:
        """Set them."""
        buffer = guest.vcpus[self.vcpu_id].state.buffer
        for offset, data in self.changes:
            buffer[offset : offset + len(data)] = data


class Memory(Value):
    """A debugger changed RAM."""

    gpa: int
    data: bytes

    def apply(self, guest: Receiver) -> None:
        """Put the bytes there."""
        guest.memory.write(self.gpa, self.data)


class SystemReset(Value):
    """A vcpu got a system reset interrupt, as QMP's inject-nmi asks for."""

    vcpu_id: int

    def apply(self, guest: Receiver) -> None:
        """Interrupt it, whatever MSR[EE] says."""
        guest.system_reset(guest.vcpus[self.vcpu_id])


Input: TypeAlias = Keys | Warp | Reset | OneReg | Registers | Memory | SystemReset


class Recorder(Protocol):
    """Notes what happens to a guest: see ``History``."""

    @property
    def is_past(self) -> bool:
        """Whether the guest does what it did once."""
        ...

    def note(self, given: Input) -> None:
        """Be told of an input that is about to be taken."""
        ...

    @property
    def is_due(self) -> bool:
        """Whether it wants a moment within a slice."""
        ...

    def tick(self) -> None:
        """Be given a moment, every few milliseconds."""
        ...

    def go_on(self, icount: int, until: Vcpu | None = None) -> Outcome | None:
        """Do again a stretch of what the guest did, up to an instruction count at most.

        It ends where a vcpu gets its turn, if one is given.
        """
        ...
