"""VSX moves, logical and permute instructions (Power ISA v3.0B, Book I, 7.6.3).

What a move from a GPR leaves undefined is 0.
"""

from collections.abc import Iterable
from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import x_form, xx2_form, xx3_form, xx3_immediate_form, xx4_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import (
    DM,
    HIGH,
    IMM8,
    LOW,
    RA,
    RA0,
    RB,
    SHW,
    UIM2,
    UIM4,
    XA,
    XB,
    XC,
    XS,
    XT,
)
from papvmm.isa.spec.vectorinteger import LOGICAL, combine
from papvmm.isa.spec.vectorpermute import INDEXES, arrange, interleaved, permute
from papvmm.isa.spec.vectorstorage import EACH_BYTE
from papvmm.isa.trace import Trace

section: Final = Section(Unit.VSX)
moves: Final = Section(Unit.FP)
"""What needs no VSX as long as it does not name a register above FPR 31."""

EACH_WORD: Final = 1 << 32 | 1


@moves.define("mfvsrd RA,XS", x_form(31, 51), high_unit=Unit.VECTOR)
def mfvsrd(cpu: Trace) -> None:
    """Move From VSR Doubleword."""
    cpu[RA] = cpu[XS.offset(HIGH)]


@moves.define("mfvsrwz RA,XS", x_form(31, 115), high_unit=Unit.VECTOR)
def mfvsrwz(cpu: Trace) -> None:
    """Move From VSR Word and Zero."""
    cpu[RA] = cpu[XS.offset(HIGH)] & ones(32)


@moves.define("mtvsrd XT,RA", x_form(31, 179), high_unit=Unit.VECTOR)
def mtvsrd(cpu: Trace) -> None:
    """Move To VSR Doubleword."""
    cpu[XT] = cpu[RA].zext(128) << 64


@moves.define("mtvsrwa XT,RA", x_form(31, 211), high_unit=Unit.VECTOR)
def mtvsrwa(cpu: Trace) -> None:
    """Move To VSR Word Algebraic."""
    cpu[XT] = cpu[RA].trunc(32).sext(64).zext(128) << 64


@moves.define("mtvsrwz XT,RA", x_form(31, 243), high_unit=Unit.VECTOR)
def mtvsrwz(cpu: Trace) -> None:
    """Move To VSR Word and Zero."""
    cpu[XT] = (cpu[RA] & ones(32)).zext(128) << 64


@section.define("mfvsrld RA,XS", x_form(31, 307), high_unit=Unit.VECTOR)
def mfvsrld(cpu: Trace) -> None:
    """Move From VSR Lower Doubleword."""
    cpu[RA] = cpu[XS.offset(LOW)]


@section.define("mtvsrws XT,RA", x_form(31, 403), high_unit=Unit.VECTOR)
def mtvsrws(cpu: Trace) -> None:
    """Move To VSR Word and Splat."""
    for half in (HIGH, LOW):
        cpu[XT.offset(half)] = (cpu[RA] & ones(32)) * EACH_WORD


@section.define("mtvsrdd XT,RA0,RB", x_form(31, 435), high_unit=Unit.VECTOR)
def mtvsrdd(cpu: Trace) -> None:
    """Move To VSR Double Doubleword."""
    cpu[XT.offset(HIGH)] = cpu[RA0]
    cpu[XT.offset(LOW)] = cpu[RB]


def _logical(name: str, xo: int) -> None:
    function, title = LOGICAL[name]

    def describe(cpu: Trace) -> None:
        combine(cpu, (XT, XA, XB), function)

    describe.__doc__ = f"VSX Vector Logical {title}."
    section.define(f"xxl{name} XT,XA,XB", xx3_form(60, xo))(describe)


for _name, _xo in (
    ("and", 130), ("andc", 138), ("or", 146), ("xor", 154), ("nor", 162), ("orc", 170),
    ("nand", 178), ("eqv", 186),
):  # fmt: skip
    _logical(_name, _xo)


@section.define("xxsel XT,XA,XB,XC", xx4_form(60, 3))
def xxsel(cpu: Trace) -> None:
    """VSX Vector Select."""
    for half in (HIGH, LOW):
        a, b, c = (cpu[operand.offset(half)] for operand in (XA, XB, XC))
        cpu[XT.offset(half)] = (a & ~c) | (b & c)


@section.define("xxpermdi XT,XA,XB,DM", xx3_immediate_form(60, 10))
def xxpermdi(cpu: Trace) -> None:
    """VSX Vector Permute Doubleword Immediate."""
    dm = cpu.static(DM)
    cpu[XT.offset(HIGH)] = cpu[XA.offset(LOW if dm & 2 else HIGH)]
    cpu[XT.offset(LOW)] = cpu[XB.offset(LOW if dm & 1 else HIGH)]


@section.define("xxsldwi XT,XA,XB,SHW", xx3_immediate_form(60, 2))
def xxsldwi(cpu: Trace) -> None:
    """VSX Vector Shift Left Double by Word Immediate."""
    first = 4 * cpu.static(SHW)
    cpu[XT] = arrange(cpu, cpu[XA], cpu[XB], range(first, first + 16))


@section.define("xxperm XT,XA,XB", xx3_form(60, 26))
def xxperm(cpu: Trace) -> None:
    """VSX Vector Permute."""
    cpu[XT] = permute(cpu, cpu[XA], cpu[XT], cpu[XB])


@section.define("xxpermr XT,XA,XB", xx3_form(60, 58))
def xxpermr(cpu: Trace) -> None:
    """VSX Vector Permute Right-indexed."""
    cpu[XT] = permute(cpu, cpu[XA], cpu[XT], cpu[XB] ^ INDEXES)


def _merge(name: str, xo: int, elements: Iterable[int], title: str) -> None:
    numbers = interleaved(4, elements)

    def describe(cpu: Trace) -> None:
        cpu[XT] = arrange(cpu, cpu[XA], cpu[XB], numbers)

    describe.__doc__ = title
    section.define(f"{name} XT,XA,XB", xx3_form(60, xo))(describe)


_merge("xxmrghw", 18, range(2), "VSX Vector Merge High Word.")
_merge("xxmrglw", 50, range(2, 4), "VSX Vector Merge Low Word.")


@section.define("xxspltw XT,XB,UIM2", xx2_form(60, 164))
def xxspltw(cpu: Trace) -> None:
    """VSX Vector Splat Word."""
    control = (cpu[UIM2] << 2).zext(128) * EACH_BYTE + int.from_bytes(bytes(range(4)) * 4)
    cpu[XT] = permute(cpu, cpu[XB], cpu[XB], control)


@section.define("xxspltib XT,IMM8", x_form(60, 360).with_bits(11, 12, 0))
def xxspltib(cpu: Trace) -> None:
    """VSX Vector Splat Immediate Byte."""
    for half in (HIGH, LOW):
        cpu[XT.offset(half)] = cpu[IMM8] * (EACH_BYTE & ones(64))


def _reverse(name: str, number: int, size: int, title: str) -> None:
    numbers = [byte ^ size - 1 for byte in range(16)]

    def describe(cpu: Trace) -> None:
        cpu[XT] = arrange(cpu, cpu[XB], cpu[XB], numbers)

    describe.__doc__ = title
    section.define(f"{name} XT,XB", xx2_form(60, 475).with_bits(11, 15, number))(describe)


_reverse("xxbrh", 7, 2, "VSX Vector Byte-Reverse Halfword.")
_reverse("xxbrw", 15, 4, "VSX Vector Byte-Reverse Word.")
_reverse("xxbrd", 23, 8, "VSX Vector Byte-Reverse Doubleword.")
_reverse("xxbrq", 31, 16, "VSX Vector Byte-Reverse Quadword.")


@section.define("xxextractuw XT,XB,UIM4", xx2_form(60, 165))
def xxextractuw(cpu: Trace) -> None:
    """VSX Vector Extract Unsigned Word."""
    after = ((cpu[UIM4].coerce(12) - cpu[UIM4]) << 3 & 127).zext(128)
    cpu[XT] = (cpu[XB] >> after & ones(32)) << 64


@section.define("xxinsertw XT,XB,UIM4", xx2_form(60, 181))
def xxinsertw(cpu: Trace) -> None:
    """VSX Vector Insert Word."""
    after = ((cpu[UIM4].coerce(12) - cpu[UIM4]) << 3 & 127).zext(128)
    word = (cpu[XB] >> 64) & ones(32)
    kept = cpu[XT] & ~(cpu.const(ones(32), 128) << after)
    cpu[XT] = kept | (word << after)
