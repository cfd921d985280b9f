"""hcall-set-mode, registers a guest asks its hypervisor to set, and what it says of the cpu."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Final

from papvmm.isa.state import LPCR, LPCR_AIL, LPCR_ILE, SPRG0
from papvmm.papr.hcall import (
    SUCCESS,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)


class Resource(IntEnum):
    """What H_SET_MODE sets; CIABR (1) and DAWR0 (2) are not built."""

    ADDR_TRANS_MODE = 3
    LE = 4


_LPCR_FIELDS: Final[Mapping[int, tuple[int, Mapping[int, int]]]] = {
    Resource.ADDR_TRANS_MODE: (LPCR_AIL, {0: 0, 3: LPCR_AIL}),
    Resource.LE: (LPCR_ILE, {0: 0, 1: LPCR_ILE}),
}
"""The LPCR field of each resource, and its value for each ``mflags``; AIL as KVM allows it."""


def h_set_mode(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Set the endianness or the location of interrupts, of every vcpu, started or not."""
    mflags, resource, value1, value2 = args[:4]
    field, values = _LPCR_FIELDS.get(resource, (0, {}))
    if not values:
        status = HcallStatus.H_P2
    elif value1:
        status = HcallStatus.H_P3
    elif value2:
        status = HcallStatus.H_P4
    elif mflags not in values:
        status = HcallStatus.H_UNSUPPORTED_FLAG
    else:
        status = HcallStatus.H_SUCCESS
        for vcpu in context.vcpus:
            lpcr = vcpu.state.read(LPCR)
            vcpu.state.write(LPCR, lpcr & ~field | values[mflags])
    return HcallResult(status)


def h_set_dabr(_context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Answer that a POWER9 has no data address breakpoint register."""
    return HcallResult(HcallStatus.H_HARDWARE)


def h_set_sprg0(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Set SPRG0 of the caller."""
    context.caller.state.write(SPRG0, args[0])
    return SUCCESS


def h_get_cpu_characteristics(_context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Answer that the processor speculates nothing: no barrier, no flush, is of any use."""
    return HcallResult(HcallStatus.H_SUCCESS, (0, 0))


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_GET_CPU_CHARACTERISTICS: h_get_cpu_characteristics,
    Hcall.H_SET_DABR: h_set_dabr,
    Hcall.H_SET_MODE: h_set_mode,
    Hcall.H_SET_SPRG0: h_set_sprg0,
}
