"""hcall-random: H_RANDOM, 64 bits from the machine's seeded generator."""

from collections.abc import Mapping
from typing import Final

from papvmm.papr.hcall import (
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)


def h_random(context: HcallContext, _args: HcallArgs) -> HcallResult:
    """Return the next random number."""
    return HcallResult(HcallStatus.H_SUCCESS, (context.random.draw(),))


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {Hcall.H_RANDOM: h_random}
