"""The dispatch trace log: a ring of 48-byte entries (LoPAR 2.9; Linux: ``struct dtl_entry``).

The guest puts the buffer's length into its second word when it registers the log; the first
entry overwrites it.
"""

from collections.abc import Mapping
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from papvmm.bits import M64
from papvmm.vpa.structure import Field, Structure, Writer

_HV: Final = Writer.HYPERVISOR

DTL_ENTRY: Final = Structure(
    "dtl_entry",
    48,
    (
        Field("dispatch_reason", 0x00, 1, _HV),
        Field("preempt_reason", 0x01, 1, _HV),
        Field("processor_id", 0x02, 2, _HV),
        Field("enqueue_to_dispatch_time", 0x04, 4, _HV),
        Field("ready_to_enqueue_time", 0x08, 4, _HV),
        Field("waiting_to_ready_time", 0x0C, 4, _HV),
        Field("timebase", 0x10, 8, _HV),
        Field("fault_addr", 0x18, 8, _HV),
        Field("srr0", 0x20, 8, _HV),
        Field("srr1", 0x28, 8, _HV),
    ),
)
_FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
_PACKED: Final = Struct(">" + "".join(_FORMATS[field.width] for field in DTL_ENTRY.fields))

BUFFER_LENGTH: Final = Field("buffer_length", 4, 4, Writer.GUEST)
"""Where the length is, as long as the log is empty."""


class DispatchReason(IntEnum):
    """Why a vcpu was dispatched (LoPAR 2.9)."""

    EXTERNAL_INTERRUPT = 0
    FIRMWARE_EVENT = 1
    H_PROD = 2
    DECREMENTER = 3
    SYSTEM_RESET = 4
    CONFERRED_CYCLES = 6
    TIME_SLICE = 7
    PAGE_FAULT_RESOLVED = 8


class PreemptReason(IntEnum):
    """Why a vcpu had been preempted before (LoPAR 2.9)."""

    UNUSED = 0
    FIRMWARE_EVENT = 1
    H_CEDE = 2
    H_CONFER = 3
    END_OF_TIME_SLICE = 4
    MIGRATION = 5
    PAGE_FAULT = 6


LOGGED_BY: Final[Mapping[PreemptReason, int]] = {
    PreemptReason.H_CEDE: 1,
    PreemptReason.H_CONFER: 1,
    PreemptReason.END_OF_TIME_SLICE: 2,
    PreemptReason.MIGRATION: 4,
    PreemptReason.PAGE_FAULT: 4,
}
"""The bit of ``dtl_enable_mask`` that asks for an entry; KVM doesn't look."""


class Dispatch(NamedTuple):
    """A guest entry, as the log tells it.

    ``tb`` is the guest's time base, ``stolen`` the running total of stolen time base ticks,
    ``pc`` and ``msr`` what the guest goes on with. KVM logs every entry as a time slice; the
    reasons are for the levels that don't.
    """

    tb: int
    pcpu: int
    stolen: int
    pc: int
    msr: int
    dispatch_reason: DispatchReason = DispatchReason.TIME_SLICE
    preempt_reason: PreemptReason = PreemptReason.END_OF_TIME_SLICE


def pack_entry(
    dispatch: Dispatch, stolen: int, reason: DispatchReason, preempted: PreemptReason
) -> bytes:
    """Return the log entry of a dispatch, ``stolen`` ticks after the last; numbers wrap."""
    return _PACKED.pack(
        reason, preempted, dispatch.pcpu & 0xFFFF, stolen & 0xFFFF_FFFF, 0, 0,
        dispatch.tb & M64, 0, dispatch.pc & M64, dispatch.msr & M64,
    )  # fmt: skip
