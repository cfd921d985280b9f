"""What can be observed, one class an event.

Every event says where in the run it happened: ``icount`` is the machine-wide count of
completed instructions, ``generation`` the number of resets before it.
"""

from typing import TypeAlias

from papvmm.values import Value


class Registration(Value):
    """How an area came to be where it is; ``number`` counts from 1 in each machine.

    ``area`` is VPA, SLB_SHADOW or DTL; ``door`` is H_REGISTER_VPA (``caller`` is the vcpu that
    made the hypercall) or ONE_REG (``caller`` is None).
    """

    number: int
    area: str
    vcpu_id: int
    gpa: int
    length: int
    door: str
    caller: int | None
    generation: int
    icount: int


class HvWrite(Value):
    """One store by the hypervisor into guest RAM.

    ``actor`` is what the hypervisor was doing (enter, exit, H_PAGE_INIT, rtas …). ``area``,
    ``field`` and ``registration`` are empty for stores that are not into an area.
    """

    gpa: int
    old: bytes
    new: bytes
    actor: str
    area: str
    field: str
    vcpu_id: int
    generation: int
    icount: int
    registration: Registration | None

    @property
    def is_stale(self) -> bool:
        """Tell whether the area was registered before the last reset: the reboot corruption."""
        return self.registration is not None and self.registration.generation < self.generation


class StaleWrite(Value):
    """A store into an area that was registered before the last reset: the reboot corruption."""

    write: HvWrite


class AreaRequested(Value):
    """A door recorded a request: ``registration`` describes it, gpa 0 meaning unregister."""

    registration: Registration


class VcpuEntered(Value):
    """An architected guest entry, after the hypervisor's stores."""

    vcpu_id: int
    generation: int
    icount: int
    cia: int


class VcpuLeft(Value):
    """An architected guest exit; ``why`` is hcall, cede, slice, reset or stop."""

    vcpu_id: int
    generation: int
    icount: int
    cia: int
    why: str


class HcallDone(Value):
    """A hypercall with its arguments (r4 on) and its answer; ``name`` is PAPR's, or a number."""

    vcpu_id: int
    generation: int
    icount: int
    name: str
    args: tuple[int, ...]
    status: int
    outputs: tuple[int, ...]


class RtasDone(Value):
    """An RTAS call by H_RTAS, with its arguments and its return values (status first)."""

    vcpu_id: int
    generation: int
    icount: int
    name: str
    args: tuple[int, ...]
    returns: tuple[int, ...]


class NotProvided(Value):
    """A vcpu, at ``cia``, asked for a hypercall or RTAS call that there isn't.

    ``kind`` is hypercall or RTAS call, ``name`` PAPR's name, or the token in hexadecimal.
    """

    vcpu_id: int
    generation: int
    icount: int
    kind: str
    name: str
    cia: int


class GuestPanicked(Value):
    """The guest's operating system gave up, and said so by ibm,os-term with a ``message``."""

    vcpu_id: int
    generation: int
    icount: int
    message: str


class MachineReset(Value):
    """A reset: ``generation`` is the new one; ``policy`` is unregister or keep."""

    generation: int
    icount: int
    reason: str
    policy: str


Event: TypeAlias = (
    HvWrite
    | StaleWrite
    | AreaRequested
    | VcpuEntered
    | VcpuLeft
    | HcallDone
    | RtasDone
    | NotProvided
    | GuestPanicked
    | MachineReset
)
