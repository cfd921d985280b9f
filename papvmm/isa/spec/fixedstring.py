"""Load and store multiple, move assist (Power ISA v3.0B, Book I, 3.3.6 and 3.3.7), as helpers.

Little-endian guests get an alignment interrupt. Of the invalid forms, those that would load
RA or RB leave them alone, as POWER9 does.
"""

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Final, TypeAlias

from papvmm.bits import ones
from papvmm.isa.forms import d_form, x_form
from papvmm.isa.instruction import Misaligned, Section, Storage
from papvmm.isa.msr import MSR_LE, MSR_SF
from papvmm.isa.operands import NB, RA0, RB, RS, RT, D, Operand
from papvmm.isa.state import GPR, MSR, XER_LOW, ArchState

section: Final = Section()

Fields: TypeAlias = Mapping[Operand, int]
XER_COUNT: Final = ones(7)
"""How many bytes lswx and stswx move."""


def _addresses(state: ArchState, fields: Fields, offset: int, step: int) -> Iterator[int]:
    """Return (RA|0) + offset and what follows in steps, as the current mode counts.

    Little-endian guests get the interrupt even if there is nothing to move.
    """
    msr = state.read(MSR)
    mask = ones(64 if msr & MSR_SF else 32)
    ea = state.read(GPR, RA0.offset(0).element_for(fields[RA0])) + offset
    if msr & MSR_LE:
        raise Misaligned(ea & mask)
    return (address & mask for address in count(ea, step))


@section.define_helper("lmw RT,D(RA0)", d_form(46))
def lmw(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Load Multiple Word."""
    targets = range(fields[RT], 32)
    addresses = _addresses(state, fields, fields[D], 4)
    words = [storage.load(ea, 4) for _, ea in zip(targets, addresses, strict=False)]
    for target, word in zip(targets, words, strict=True):
        if target != fields[RA0] or target == 0:
            state.write(GPR, word, target)


@section.define_helper("stmw RS,D(RA0)", d_form(47))
def stmw(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Store Multiple Word."""
    addresses = _addresses(state, fields, fields[D], 4)
    for source, ea in zip(range(fields[RS], 32), addresses, strict=False):
        storage.store(ea, 4, state.read(GPR, source) & ones(32))


def _load_string(
    state: ArchState, storage: Storage, fields: Fields, offset: int, length: int
) -> None:
    addresses = _addresses(state, fields, offset, 1)
    data = bytes(storage.load(ea, 1) for _, ea in zip(range(length), addresses, strict=False))
    kept = {fields[RA0] or None, fields.get(RB)}
    for number in range(0, length, 4):
        target = (fields[RT] + number // 4) % 32
        if target not in kept:
            state.write(GPR, int.from_bytes(data[number : number + 4].ljust(4, b"\0")), target)


def _store_string(
    state: ArchState, storage: Storage, fields: Fields, offset: int, length: int
) -> None:
    addresses = _addresses(state, fields, offset, 1)
    for number, ea in zip(range(length), addresses, strict=False):
        word = state.read(GPR, (fields[RS] + number // 4) % 32) & ones(32)
        storage.store(ea, 1, word.to_bytes(4)[number % 4])


@section.define_helper("lswi RT,RA0,NB", x_form(31, 597))
def lswi(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Load String Word Immediate."""
    _load_string(state, storage, fields, 0, fields[NB] or 32)


@section.define_helper("lswx RT,RA0,RB", x_form(31, 533))
def lswx(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Load String Word Indexed."""
    length = state.read(XER_LOW) & XER_COUNT
    _load_string(state, storage, fields, state.read(GPR, fields[RB]), length)


@section.define_helper("stswi RS,RA0,NB", x_form(31, 725))
def stswi(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Store String Word Immediate."""
    _store_string(state, storage, fields, 0, fields[NB] or 32)


@section.define_helper("stswx RS,RA0,RB", x_form(31, 661))
def stswx(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Store String Word Indexed."""
    length = state.read(XER_LOW) & XER_COUNT
    _store_string(state, storage, fields, state.read(GPR, fields[RB]), length)
