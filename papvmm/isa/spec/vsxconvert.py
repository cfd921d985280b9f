"""VSX scalar conversions, signs and parts of numbers (Power ISA v3.0B, Book I, 7.6.3).

Undefined parts of results: words that are no integer or single are copies of it, the low
doubleword is 0.
"""

from collections.abc import Callable
from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, x_form, xx2_form, xx3_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import BF, DCMX, HIGH, RA, RB, RT, XA, XB, XT
from papvmm.isa.softfloat.compare import test_class
from papvmm.isa.softfloat.convert import narrow, to_integer, widen
from papvmm.isa.softfloat.formats import DOUBLE, HALF, SINGLE, Format
from papvmm.isa.softfloat.fpscr import Outcome
from papvmm.isa.spec import fpinteger
from papvmm.isa.spec.fparith import Fast, Fields, define_operation, doubles, set_double
from papvmm.isa.spec.fpmove import SIGN, copy_sign
from papvmm.isa.spec.fpstorage import to_double, to_single
from papvmm.isa.spec.vsxmove import EACH_WORD
from papvmm.isa.spec.vsxscalar import set_cr_field_and_fpcc
from papvmm.isa.state import ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VSX)

WORD: Final = ones(32)
HALVES: Final = xx2_form(60, 347)


def _convert(
    name: str,
    form: Form,
    title: str,
    function: Callable[[int, int], Outcome],
    fast: Fast | None = None,
) -> None:
    define_operation(
        section,
        f"{name} XT,XB",
        form,
        f"VSX Scalar Convert {title}.",
        (XB,),
        lambda doubles, fpscr: function(doubles[0], fpscr),
        fast=fast,
    )


def _to_integer(name: str, xo: int, width: int, title: str, *, is_signed: bool) -> None:
    def convert(double: int, fpscr: int) -> Outcome:
        outcome = to_integer(double, fpscr, width, is_signed=is_signed, to_zero=True)
        return _in_both_words(outcome) if width == 32 else outcome

    def fast(cpu: Trace, double: Value) -> Value:
        size, unsigned = "d" if width == 64 else "w", "" if is_signed else "u"
        number = fpinteger.to_integer(cpu, f"fcti{size}{unsigned}z", double)
        return number if width == 64 else (number & WORD) * EACH_WORD

    title = f"with round to zero Double-Precision to {title}"
    _convert(name, xx2_form(60, xo), title, convert, fast)


def _in_both_words(outcome: Outcome) -> Outcome:
    if outcome.result is None:
        return outcome
    return outcome._replace(result=(outcome.result & WORD) * EACH_WORD)


_to_integer("xscvdpsxds", 344, 64, "Signed Doubleword", is_signed=True)
_to_integer("xscvdpuxds", 328, 64, "Unsigned Doubleword", is_signed=False)
_to_integer("xscvdpsxws", 88, 32, "Signed Word", is_signed=True)
_to_integer("xscvdpuxws", 72, 32, "Unsigned Word", is_signed=False)
_convert(
    "xscvdpsp",
    xx2_form(60, 265),
    "with round Double-Precision to Single-Precision",
    lambda double, fpscr: _in_both_words(narrow(double, fpscr, SINGLE)),
)
_convert(
    "xscvspdp",
    xx2_form(60, 329),
    "Single-Precision to Double-Precision",
    lambda double, fpscr: widen(double >> 32, fpscr, SINGLE),
)


_convert(
    "xscvhpdp",
    HALVES.with_bits(11, 15, 16),
    "Half-Precision to Double-Precision",
    lambda double, fpscr: widen(double & ones(16), fpscr, HALF),
)
_convert(
    "xscvdphp",
    HALVES.with_bits(11, 15, 17),
    "with round Double-Precision to Half-Precision",
    lambda double, fpscr: narrow(double, fpscr, HALF),
)


@section.define("xscvdpspn XT,XB", xx2_form(60, 267))
def xscvdpspn(cpu: Trace) -> None:
    """VSX Scalar Convert Double-Precision to Single-Precision Non-signalling."""
    set_double(cpu, XT, to_single(cpu[XB.offset(HIGH)]).zext(64) * EACH_WORD)


@section.define("xscvspdpn XT,XB", xx2_form(60, 331))
def xscvspdpn(cpu: Trace) -> None:
    """VSX Scalar Convert Single-Precision to Double-Precision Non-signalling."""
    set_double(cpu, XT, to_double((cpu[XB.offset(HIGH)] >> 32).trunc(32)))


@section.define("xsabsdp XT,XB", xx2_form(60, 345))
def xsabsdp(cpu: Trace) -> None:
    """VSX Scalar Absolute Double-Precision."""
    set_double(cpu, XT, cpu[XB.offset(HIGH)] & ~SIGN)


@section.define("xsnabsdp XT,XB", xx2_form(60, 361))
def xsnabsdp(cpu: Trace) -> None:
    """VSX Scalar Negative Absolute Double-Precision."""
    set_double(cpu, XT, cpu[XB.offset(HIGH)] | SIGN)


@section.define("xsnegdp XT,XB", xx2_form(60, 377))
def xsnegdp(cpu: Trace) -> None:
    """VSX Scalar Negate Double-Precision."""
    set_double(cpu, XT, cpu[XB.offset(HIGH)] ^ SIGN)


@section.define("xscpsgndp XT,XA,XB", xx3_form(60, 176))
def xscpsgndp(cpu: Trace) -> None:
    """VSX Scalar Copy Sign Double-Precision."""
    set_double(cpu, XT, copy_sign(cpu[XA.offset(HIGH)], cpu[XB.offset(HIGH)]))


@section.define("xsxexpdp RT,XB", xx2_form(60, 347).with_bits(11, 15, 0))
def xsxexpdp(cpu: Trace) -> None:
    """VSX Scalar Extract Exponent Double-Precision."""
    cpu[RT] = (cpu[XB.offset(HIGH)] >> 52) & ones(11)


@section.define("xsxsigdp RT,XB", xx2_form(60, 347).with_bits(11, 15, 1))
def xsxsigdp(cpu: Trace) -> None:
    """VSX Scalar Extract Significand Double-Precision."""
    double = cpu[XB.offset(HIGH)]
    exponent = (double >> 52) & ones(11)
    is_normal = (exponent + 1 & ones(11)).ult(2)
    cpu[RT] = (double & ones(52)) | is_normal.select(0, cpu.const(1 << 52))


@section.define("xsiexpdp XT,RA,RB", x_form(60, 918))
def xsiexpdp(cpu: Trace) -> None:
    """VSX Scalar Insert Exponent Double-Precision."""
    set_double(cpu, XT, (cpu[RA] & (SIGN | ones(52))) | ((cpu[RB] & ones(11)) << 52))


def _test_class(name: str, xo: int, of: Format, title: str) -> None:
    def helper(state: ArchState, _storage: Storage, fields: Fields) -> None:
        (double,) = doubles(state, fields, XB)
        set_cr_field_and_fpcc(state, fields[BF], test_class(double, fields[DCMX], of))

    helper.__doc__ = f"VSX Scalar Test Data Class {title}."
    section.define_helper(f"{name} BF,XB,DCMX", xx2_form(60, xo))(helper)


_test_class("xststdcdp", 362, DOUBLE, "Double-Precision")
_test_class("xststdcsp", 298, SINGLE, "Single-Precision")
