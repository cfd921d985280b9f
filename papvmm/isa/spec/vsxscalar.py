"""VSX scalar arithmetic and comparison (Power ISA v3.0B, Book I, 7.6.3).

The doubleword below a result, which is undefined, is 0.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, xx2_form, xx3_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import BF, XA, XB, XT, Operand
from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.compare import (
    EQUAL,
    GREATER,
    LESS,
    Extreme,
    compare_exponents,
    compare_to_mask,
    extreme,
    extreme_as_c,
    extreme_as_java,
    test_divide,
    test_square_root,
)
from papvmm.isa.softfloat.convert import to_integral
from papvmm.isa.softfloat.formats import DOUBLE, SINGLE
from papvmm.isa.softfloat.fpscr import (
    AWAY,
    DOWN,
    FPCC,
    RN,
    TOWARD_ZERO,
    UP,
)
from papvmm.isa.spec import fpfast, fpinteger
from papvmm.isa.spec.fparith import (
    Fast,
    Fields,
    Function,
    define_compare,
    define_operation,
    doubles,
    fast_operation,
    set_cr_field,
)
from papvmm.isa.state import FPSCR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VSX)


def _define(
    syntax: str,
    form: Form,
    title: str,
    operands: tuple[Operand, ...],
    function: Function,
    fast: Fast | None = None,
) -> None:
    define_operation(section, syntax, form, title, operands, function, fast=fast)


def _arithmetic(
    syntax: str, form: Form, title: str, operands: tuple[Operand, ...], operation: str
) -> None:
    performed = OPERATIONS[operation]
    classified = SINGLE if performed.to is SINGLE else DOUBLE
    _define(
        syntax,
        form,
        f"VSX Scalar {title}.",
        operands,
        lambda doubles, fpscr: operate(performed, doubles, fpscr, classified),
        fast_operation(operation),
    )


for _suffix, _to, _base, _precision in (
    ("dp", "", 32, "Double-Precision"),
    ("sp", "s", 0, "Single-Precision"),
):
    for _name, _xo, _title in (
        ("add", 0, "Add"), ("sub", 8, "Subtract"), ("mul", 16, "Multiply"), ("div", 24, "Divide"),
    ):  # fmt: skip
        _arithmetic(
            f"xs{_name}{_suffix} XT,XA,XB",
            xx3_form(60, _base + _xo),
            f"{_title} {_precision}",
            (XA, XB),
            f"f{_name}{_to}",
        )
    for _name, _xo, _title in (
        ("madd", 1, "Multiply-Add"), ("msub", 17, "Multiply-Subtract"),
        ("nmadd", 129, "Negative Multiply-Add"), ("nmsub", 145, "Negative Multiply-Subtract"),
    ):  # fmt: skip
        for _type, _addend, _operands in (("a", 0, (XA, XT, XB)), ("m", 8, (XA, XB, XT))):
            _arithmetic(
                f"xs{_name}{_type}{_suffix} XT,XA,XB",
                xx3_form(60, _base + _xo + _addend),
                f"{_title} Type-{_type.upper()} {_precision}",
                _operands,
                f"f{_name}{_to}",
            )

_UNARY: Final = (
    ("xssqrtdp", 75, "Square Root Double-Precision", "fsqrt"),
    ("xssqrtsp", 11, "Square Root Single-Precision", "fsqrts"),
    ("xsrsp", 281, "Round Double-Precision to Single-Precision", "frsp"),
    ("xscvsxddp", 376, "Convert Signed Doubleword to Double-Precision", "fcfid"),
    ("xscvuxddp", 360, "Convert Unsigned Doubleword to Double-Precision", "fcfidu"),
    ("xscvsxdsp", 312, "Convert Signed Doubleword to Single-Precision", "fcfids"),
    ("xscvuxdsp", 296, "Convert Unsigned Doubleword to Single-Precision", "fcfidus"),
)
for _name, _xo, _title, _operation in _UNARY:
    _arithmetic(f"{_name} XT,XB", xx2_form(60, _xo), _title, (XB,), _operation)


def _to_integral(name: str, xo: int, rounding: int | None, title: str) -> None:
    """Add a rounding; without a mode it is FPSCR's, and inexactness is told."""
    _define(
        f"{name} XT,XB",
        xx2_form(60, xo),
        f"VSX Scalar Round to Double-Precision Integer {title}.",
        (XB,),
        lambda doubles, fpscr: to_integral(
            doubles[0],
            fpscr,
            fpscr & RN if rounding is None else rounding,
            tells_inexact=rounding is None,
        ),
        None if rounding is None else lambda cpu, b: fpinteger.to_integral(cpu, rounding, b),
    )


_to_integral("xsrdpi", 73, AWAY, "using round to Nearest Away")
_to_integral("xsrdpic", 107, None, "exact using Current rounding mode")
_to_integral("xsrdpim", 121, DOWN, "using round toward -Infinity")
_to_integral("xsrdpip", 105, UP, "using round toward +Infinity")
_to_integral("xsrdpiz", 89, TOWARD_ZERO, "using round toward Zero")


FastChoice: TypeAlias = Callable[[Trace, int, Value, Value], Value]


def _extreme(
    name: str, xo: int, function: Extreme, wanted: int, title: str, fast: FastChoice
) -> None:
    _define(
        f"{name} XT,XA,XB",
        xx3_form(60, xo),
        f"VSX Scalar {title} Double-Precision.",
        (XA, XB),
        lambda doubles, fpscr: function(doubles[0], doubles[1], fpscr, wanted),
        lambda cpu, a, b: fast(cpu, wanted, a, b),
    )


_extreme("xsmaxdp", 160, extreme, GREATER, "Maximum", fpfast.extreme)
_extreme("xsmindp", 168, extreme, LESS, "Minimum", fpfast.extreme)
_extreme("xsmaxcdp", 128, extreme_as_c, GREATER, "Maximum Type-C", fpfast.extreme_as_c)
_extreme("xsmincdp", 136, extreme_as_c, LESS, "Minimum Type-C", fpfast.extreme_as_c)
_extreme("xsmaxjdp", 144, extreme_as_java, GREATER, "Maximum Type-J", fpfast.extreme)
_extreme("xsminjdp", 152, extreme_as_java, LESS, "Minimum Type-J", fpfast.extreme)


def _compare_to_mask(name: str, xo: int, accepted: int, title: str) -> None:
    _define(
        f"{name} XT,XA,XB",
        xx3_form(60, xo),
        f"VSX Scalar Compare {title} Double-Precision.",
        (XA, XB),
        lambda doubles, fpscr: compare_to_mask(doubles[0], doubles[1], fpscr, accepted),
        lambda cpu, a, b: fpfast.compare_to_mask(cpu, accepted, a, b),
    )


_compare_to_mask("xscmpeqdp", 3, EQUAL, "Equal")
_compare_to_mask("xscmpgtdp", 11, GREATER, "Greater Than")
_compare_to_mask("xscmpgedp", 19, GREATER | EQUAL, "Greater Than or Equal")

for _name, _xo, _ordered in (("xscmpudp", 35, False), ("xscmpodp", 43, True)):
    define_compare(
        section,
        f"{_name} BF,XA,XB",
        xx3_form(60, _xo),
        f"VSX Scalar Compare {'Ordered' if _ordered else 'Unordered'} Double-Precision.",
        (XA, XB),
        ordered=_ordered,
    )


def set_cr_field_and_fpcc(state: ArchState, field: int, bits: int) -> None:
    """Set a CR field, and FPCC, to four bits."""
    set_cr_field(state, field, bits)
    state.write(FPSCR, state.read(FPSCR) & ~FPCC | bits << 12)


@section.define_helper("xscmpexpdp BF,XA,XB", xx3_form(60, 59))
def xscmpexpdp(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """VSX Scalar Compare Exponents Double-Precision."""
    a, b = doubles(state, fields, XA, XB)
    set_cr_field_and_fpcc(state, fields[BF], compare_exponents(a, b))


@section.define_helper("xstdivdp BF,XA,XB", xx3_form(60, 61))
def xstdivdp(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """VSX Scalar Test for software Divide Double-Precision."""
    set_cr_field(state, fields[BF], test_divide(*doubles(state, fields, XA, XB)))


@section.define_helper("xstsqrtdp BF,XB", xx2_form(60, 106))
def xstsqrtdp(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """VSX Scalar Test for software Square Root Double-Precision."""
    set_cr_field(state, fields[BF], test_square_root(*doubles(state, fields, XB)))
