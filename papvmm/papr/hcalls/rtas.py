"""H_RTAS, the hypercall behind the RTAS entry point: not PAPR's, but QEMU's and its guests'."""

from collections.abc import Mapping
from typing import Final

from papvmm.papr.hcall import (
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
)
from papvmm.papr.rtas import serve


def h_rtas(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Do the RTAS call described by the argument buffer at ``args[0]``."""
    return serve(context, args[0])


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {Hcall.H_RTAS: h_rtas}
