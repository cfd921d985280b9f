"""Hypercall handlers, one module for each PAPR function set."""

from papvmm.papr.hcall import HypercallTable
from papvmm.papr.hcalls import (
    interrupt,
    mode,
    page,
    pft,
    random,
    rtas,
    splpar,
    tables,
    term,
    vpa,
    vphn,
)


def hypercalls() -> HypercallTable:
    """Return the table of every hypercall papvmm implements."""
    rooms = (interrupt, mode, page, pft, random, rtas, splpar, tables, term, vpa, vphn)
    return HypercallTable(room.HANDLERS for room in rooms)
