"""The segment lookaside buffer (Power ISA v3.0B, Book III, 5.9.3.2), which software fills.

Where the ISA leaves it open: a number of an entry is taken modulo how many there are, what is
reserved reads as 0, and slbie looks at the address only, not at the class or size beside it.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from papvmm.bits import ones
from papvmm.isa import slb
from papvmm.isa.forms import x_form
from papvmm.isa.instruction import Privilege, Section, Storage
from papvmm.isa.msr import MSR_SF
from papvmm.isa.operands import IH, RB, RS, RT, Operand
from papvmm.isa.state import CR, GPR, MSR, SLB_ESID, SLB_VSID, SO, ArchState

section: Final = Section()
Fields: TypeAlias = Mapping[Operand, int]
SUPERVISOR: Final = Privilege.SUPERVISOR

IH_CLASS_1: Final = 3
IH_ALL: Final = 4
IH_NONE: Final = 7
"""slbia: entries of class 1, all entries, or none; with the other hints, all but entry 0."""


@section.define_helper("slbmte RS,RB", x_form(31, 402), privilege=SUPERVISOR)
def slbmte(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """SLB Move To Entry."""
    slb.enter(state, state.read(GPR, fields[RB]), state.read(GPR, fields[RS]))


@section.define_helper("slbmfev RT,RB", x_form(31, 851), privilege=SUPERVISOR)
def slbmfev(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """SLB Move From Entry VSID."""
    index = slb.number(state.read(GPR, fields[RB]))
    state.write(GPR, state.read(SLB_VSID, index), fields[RT])


@section.define_helper("slbmfee RT,RB", x_form(31, 915), privilege=SUPERVISOR)
def slbmfee(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """SLB Move From Entry ESID."""
    index = slb.number(state.read(GPR, fields[RB]))
    state.write(GPR, state.read(SLB_ESID, index), fields[RT])


@section.define_helper("slbfee. RT,RB", x_form(31, 979).dotted, privilege=SUPERVISOR)
def slbfee_(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """SLB Find Entry ESID."""
    ea = state.read(GPR, fields[RB]) & ones(64 if state.read(MSR) & MSR_SF else 32)
    index = slb.find(state, ea)
    found = index is not None
    state.write(GPR, 0 if index is None else state.read(SLB_VSID, index), fields[RT])
    for element, value in enumerate((0, 0, found, state.read(SO))):
        state.write(CR, value, element)


def _invalidate(state: ArchState, _storage: Storage, fields: Fields) -> None:
    index = slb.find(state, state.read(GPR, fields[RB]))
    if index is not None:
        _forget(state, index)


def _forget(state: ArchState, index: int) -> None:
    state.write(SLB_ESID, state.read(SLB_ESID, index) & ~slb.VALID, index)


@section.define_helper("slbie RB", x_form(31, 434), privilege=SUPERVISOR)
def slbie(state: ArchState, storage: Storage, fields: Fields) -> None:
    """SLB Invalidate Entry."""
    _invalidate(state, storage, fields)


@section.define_helper("slbieg RS,RB", x_form(31, 466), privilege=SUPERVISOR)
def slbieg(state: ArchState, storage: Storage, fields: Fields) -> None:
    """SLB Invalidate Entry Global.

    That is for entries that processors make from segment tables, which are not built, so that
    other vcpus have none to invalidate.
    """
    _invalidate(state, storage, fields)


@section.define_helper("slbia IH", x_form(31, 498), privilege=SUPERVISOR)
def slbia(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """SLB Invalidate All."""
    hint = fields[IH]
    if hint == IH_NONE:
        return
    for index in range(0 if hint in (IH_CLASS_1, IH_ALL) else 1, slb.ENTRIES):
        if hint != IH_CLASS_1 or state.read(SLB_VSID, index) & slb.CLASS:
            _forget(state, index)
