"""What the arguments of hypercalls are called, for people: r4 on, in PAPR's order."""

from collections.abc import Mapping
from typing import Final

from papvmm.papr.hcall import Hcall

ARGUMENTS: Final[Mapping[Hcall, tuple[str, ...]]] = {
    Hcall.H_REMOVE: ("flags", "pte_index", "avpn"),
    Hcall.H_ENTER: ("flags", "pte_index", "pteh", "ptel"),
    Hcall.H_READ: ("flags", "pte_index"),
    Hcall.H_CLEAR_MOD: ("flags", "pte_index"),
    Hcall.H_CLEAR_REF: ("flags", "pte_index"),
    Hcall.H_PROTECT: ("flags", "pte_index", "avpn"),
    Hcall.H_SET_SPRG0: ("value",),
    Hcall.H_SET_DABR: ("value",),
    Hcall.H_PAGE_INIT: ("flags", "destination", "source"),
    Hcall.H_GET_TERM_CHAR: ("unit",),
    Hcall.H_PUT_TERM_CHAR: ("unit", "length", "char0_7", "char8_15"),
    Hcall.H_EOI: ("xirr",),
    Hcall.H_CPPR: ("cppr",),
    Hcall.H_IPI: ("server", "mfrr"),
    Hcall.H_IPOLL: ("server",),
    Hcall.H_XIRR: (),
    Hcall.H_REGISTER_VPA: ("flags", "vcpu", "gpa"),
    Hcall.H_CEDE: (),
    Hcall.H_CONFER: ("vcpu", "yield_count"),
    Hcall.H_PROD: ("vcpu",),
    Hcall.H_BULK_REMOVE: ("tsh0", "tsl0", "tsh1", "tsl1", "tsh2", "tsl2", "tsh3", "tsl3"),
    Hcall.H_GET_CPU_CHARACTERISTICS: (),
    Hcall.H_HOME_NODE_ASSOCIATIVITY: ("flags", "vcpu"),
    Hcall.H_XIRR_X: (),
    Hcall.H_RANDOM: (),
    Hcall.H_SET_MODE: ("mflags", "resource", "value1", "value2"),
    Hcall.H_REGISTER_PROC_TBL: ("flags", "base", "page_size", "table_size"),
    Hcall.H_RTAS: ("buffer",),
}

UNKNOWN: Final = ("r4", "r5", "r6", "r7")
"""What is shown of a hypercall that there isn't."""

_BY_NAME: Final = {hcall.name: names for hcall, names in ARGUMENTS.items()}


def argument_names(hcall: str) -> tuple[str, ...]:
    """Return what the arguments of a hypercall are called, by its name in ``HcallDone``."""
    return _BY_NAME.get(hcall, UNKNOWN)
