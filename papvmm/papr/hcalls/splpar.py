"""hcall-splpar: H_CEDE, H_CONFER and H_PROD, with which vcpus of one guest share processors."""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import M64
from papvmm.papr.hcall import (
    PARAMETER,
    SUCCESS,
    Cede,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
    Wake,
    YieldTo,
)
from papvmm.vcpu.vcpu import VcpuRunState
from papvmm.vpa.levels import Confers

ANYBODY: Final = M64
"""H_CONFER's target -1: whoever can use the cycles."""

_WAITING: Final = HcallResult(HcallStatus.H_SUCCESS, then=Cede())


def h_cede(context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Wait, with interrupts enabled, until one comes or somebody prods."""
    waits = context.caller.cede()
    return _WAITING if waits else SUCCESS


def h_prod(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Wake the vcpu named by ``args[0]``, or let its next H_CEDE return at once."""
    target = context.find_vcpu(context.caller.areas.level.vcpu_id(args[0]))
    if target is None:
        return PARAMETER
    if target.run_state is VcpuRunState.CEDED:
        context.wake_due()
    woke = target.prod()
    return HcallResult(HcallStatus.H_SUCCESS, then=Wake(target)) if woke else SUCCESS


def h_confer(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Give the caller's turn to ``args[0]``, unless that has run since the caller looked.

    ``args[1]`` is the yield count the caller saw.
    """
    target_id, seen = args[:2]
    level = context.caller.areas.level
    if target_id == ANYBODY or level.confers is Confers.NEVER:
        return SUCCESS
    target = context.find_vcpu(level.vcpu_id(target_id))
    if target is None:
        return PARAMETER
    stands_still = seen == target.areas.yield_count
    gives = stands_still and (level.confers is Confers.STANDS_STILL or seen % 2 == 1)
    return HcallResult(HcallStatus.H_SUCCESS, then=YieldTo(target)) if gives else SUCCESS


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_CEDE: h_cede,
    Hcall.H_CONFER: h_confer,
    Hcall.H_PROD: h_prod,
}
