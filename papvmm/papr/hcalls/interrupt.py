"""hcall-interrupt: what a server does with its interrupts (PAPR 14.5.4.6)."""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import M64
from papvmm.isa.state import TB_OFFSET
from papvmm.papr.hcall import (
    PARAMETER,
    SUCCESS,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)


def h_eoi(context: HcallContext, args: HcallArgs) -> HcallResult:
    """End the handling of the interrupt that H_XIRR gave, as ``args[0]``."""
    context.xics.end(context.caller.vcpu_id, args[0])
    return SUCCESS


def h_cppr(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Set the caller's priority, the low byte of ``args[0]``."""
    context.xics.set_cppr(context.caller.vcpu_id, args[0])
    return SUCCESS


def h_ipi(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Set the MFRR of the server ``args[0]`` to the low byte of ``args[1]``."""
    target = context.find_vcpu(args[0])
    if target is None:
        return PARAMETER
    context.xics.request_ipi(target.vcpu_id, args[1])
    return SUCCESS


def h_ipoll(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Return the XIRR and MFRR of the server ``args[0]``, and change nothing."""
    target = context.find_vcpu(args[0])
    if target is None:
        return PARAMETER
    there = context.xics.presentations[target.vcpu_id]
    return HcallResult(HcallStatus.H_SUCCESS, (there.xirr, there.mfrr))


def h_xirr(context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Accept the interrupt on offer, and return its number under the caller's priority."""
    return HcallResult(HcallStatus.H_SUCCESS, (context.xics.accept(context.caller.vcpu_id),))


def h_xirr_x(context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Do H_XIRR, and return the time base beside."""
    caller = context.caller
    timebase = context.clock.ticks + caller.state.read(TB_OFFSET) & M64
    return HcallResult(HcallStatus.H_SUCCESS, (context.xics.accept(caller.vcpu_id), timebase))


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_CPPR: h_cppr,
    Hcall.H_EOI: h_eoi,
    Hcall.H_IPI: h_ipi,
    Hcall.H_IPOLL: h_ipoll,
    Hcall.H_XIRR: h_xirr,
    Hcall.H_XIRR_X: h_xirr_x,
}
