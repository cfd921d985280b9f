"""hcall-splpar: H_CEDE, H_CONFER and H_PROD, with which vcpus of one guest share processors."""

from collections.abc import Mapping
from typing import Final

from papvmm.papr.hcall import (
    CONTINUE,
    Cede,
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
    Wake,
)


def h_cede(context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Wait, with interrupts enabled, until one comes or somebody prods."""
    waits = context.caller.cede()
    return HcallResult(HcallStatus.H_SUCCESS, then=Cede() if waits else CONTINUE)


def h_prod(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Wake the vcpu named by ``args[0]``, or let its next H_CEDE return at once."""
    target = context.find_vcpu(args[0])
    if target is None:
        return HcallResult(HcallStatus.H_PARAMETER)
    woke = target.prod()
    return HcallResult(HcallStatus.H_SUCCESS, then=Wake(target) if woke else CONTINUE)


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_CEDE: h_cede,
    Hcall.H_PROD: h_prod,
}
