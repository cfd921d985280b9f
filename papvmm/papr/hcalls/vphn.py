"""hcall-vphn: H_HOME_NODE_ASSOCIATIVITY, the domains that a processor is in."""

from collections.abc import Mapping
from typing import Final

from papvmm.bits import M64
from papvmm.papr.affinity import domains
from papvmm.papr.hcall import (
    Hcall,
    HcallArgs,
    HcallContext,
    HcallHandler,
    HcallResult,
    HcallStatus,
)
from papvmm.vcpu.vcpu import PHYSICAL_CPU

VIRTUAL: Final = 1
"""The processor is a vcpu, by its number in H_REGISTER_VPA."""
PHYSICAL: Final = 2
"""The processor is a physical one, by its number in the dispatch trace log."""
REGISTERS: Final = 6
"""r4 to r9, a list of words; all ones after its end."""


def h_home_node_associativity(context: HcallContext, args: HcallArgs) -> HcallResult:
    """Return the domains of the processor ``args[1]``, of the kind that ``args[0]`` says.

    The log names physical processors, so a guest that reads it asks about those, too: Linux
    asks again at every entry until it is told.
    """
    flags, number = args[:2]
    if flags not in (VIRTUAL, PHYSICAL):
        return HcallResult(HcallStatus.H_FUNCTION)
    is_vcpu = context.find_vcpu(number) is not None
    is_there = is_vcpu if flags == VIRTUAL else number == PHYSICAL_CPU
    if not is_there:
        return HcallResult(HcallStatus.H_P2)
    node, processor = domains(number)
    rest = (M64,) * (REGISTERS - 1)
    return HcallResult(HcallStatus.H_SUCCESS, (node << 32 | processor, *rest))


HANDLERS: Final[Mapping[Hcall, HcallHandler]] = {
    Hcall.H_HOME_NODE_ASSOCIATIVITY: h_home_node_associativity,
}
