"""How a run of a machine ended: a closed union, handled with ``match``."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class PoweredOff:
    """The guest powered off by RTAS."""


@dataclass(frozen=True, slots=True)
class GuestReset:
    """The guest asked for a reset, and the reboot action is shutdown."""


@dataclass(frozen=True, slots=True)
class Panicked:
    """The guest reported a panic (ibm,os-term)."""

    message: str


@dataclass(frozen=True, slots=True)
class VcpuCrashed:
    """A vcpu can't go on: an interrupt loop, or an instruction or mode that is not built."""

    vcpu_id: int
    cia: int
    why: str
    word: int | None


@dataclass(frozen=True, slots=True)
class HostCrashed:
    """The modelled hypervisor crashed, as KVM before v3.7 could be made to."""

    why: str


@dataclass(frozen=True, slots=True)
class NoProgress:
    """Every vcpu waits, and neither a timer nor anybody outside can wake one."""


@dataclass(frozen=True, slots=True)
class Quit:
    """Somebody outside ended the machine."""

    why: str


@dataclass(frozen=True, slots=True)
class Paused:
    """The machine paused: it was asked to, or ``limit`` or a breakpoint was reached."""

    why: str


Outcome: TypeAlias = (
    PoweredOff | GuestReset | Panicked | VcpuCrashed | HostCrashed | NoProgress | Quit | Paused
)
