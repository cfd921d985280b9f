"""Floating-point arithmetic and comparison (Power ISA v3.0B, Book I, 4.6.6 to 4.6.8).

A helper does all that FPSCR may ask for, exactly and slowly; ``fpfast`` most of what programs do.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, a_form, x_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import BF, FRA, FRB, FRC, FRT, HIGH, LOW, OPERANDS, Kind, Operand, Rc
from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.compare import compare, test_divide, test_square_root
from papvmm.isa.softfloat.convert import to_integer, to_integral
from papvmm.isa.softfloat.fpscr import AWAY, DOWN, TOWARD_ZERO, UP, Outcome
from papvmm.isa.spec import fpfast, fpinteger
from papvmm.isa.state import CR, FPSCR, VSR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.FP)

Fields: TypeAlias = Mapping[Operand, int]
Function: TypeAlias = Callable[[tuple[int, ...], int], Outcome]
"""Computes the outcome from doubles and FPSCR."""
Fast: TypeAlias = Callable[..., Value]
"""Computes the result while tracing, or leaves with HELPER."""


def doubles(state: ArchState, fields: Fields, *operands: Operand) -> tuple[int, ...]:
    """Return the doubles in FPRs or VSRs."""
    return tuple(state.read(VSR, 2 * fields[operand] + 1) for operand in operands)


def finish(state: ArchState, fields: Fields, target: Operand, outcome: Outcome) -> None:
    """Enter an outcome into a FPR or VSR, FPSCR and, if Rc=1, CR1."""
    if outcome.result is not None:
        state.set_vsr(fields[target], outcome.result << 64)
    set_fpscr(state, fields, outcome.fpscr)


def set_fpscr(state: ArchState, fields: Fields, fpscr: int) -> None:
    """Set FPSCR and, if Rc=1, CR1."""
    state.write(FPSCR, fpscr)
    if fields.get(Rc):
        set_cr_field(state, 1, fpscr >> 28)


def set_cr_field(state: ArchState, field: int, bits: int) -> None:
    """Set a CR field to the low four bits of a number."""
    for element in range(4):
        state.write(CR, bits >> 3 - element, 4 * field + element)


def define_operation(
    to: Section,
    syntax: str,
    form: Form,
    title: str,
    operands: tuple[Operand, ...],
    function: Function,
    *,
    fast: Fast | None = None,
) -> None:
    """Add an operation on doubles whose target is the first operand written.

    Where ``fast`` can't do it, ``function`` does.
    """
    target = OPERANDS[syntax.partition(" ")[2].partition(",")[0]]

    def helper(state: ArchState, _storage: Storage, fields: Fields) -> None:
        outcome = function(doubles(state, fields, *operands), state.read(FPSCR))
        finish(state, fields, target, outcome)

    helper.__doc__ = title
    if fast is None:
        to.define_helper(syntax, form)(helper)
        return

    def describe(cpu: Trace) -> None:
        set_double(cpu, target, fast(cpu, *(double(cpu, operand) for operand in operands)))

    describe.__doc__ = title
    to.define(syntax, form, helper=helper)(describe)


def double(cpu: Trace, operand: Operand) -> Value:
    """Return the double in a FPR or VSR."""
    return cpu[operand] if operand.kind is Kind.FPR else cpu[operand.offset(HIGH)]


def set_double(cpu: Trace, target: Operand, value: Value) -> None:
    """Set a FPR or VSR to a double; what is below is 0."""
    if target.kind is Kind.FPR:
        cpu[target] = value
    else:
        cpu[target.offset(HIGH)] = value
        cpu[target.offset(LOW)] = cpu.const(0)


def fast_operation(name: str) -> Fast:
    """Return the fast path of an operation in ``OPERATIONS``."""
    if name.startswith("fcf"):
        return lambda cpu, number: fpinteger.from_integer(cpu, name, number)
    return lambda cpu, *operands: fpfast.arithmetic(cpu, name, operands)


def _arithmetic(name: str, form: Form, title: str, operands: tuple[Operand, ...]) -> None:
    operation = OPERATIONS[name]
    written = (FRA, FRC, FRB) if len(operands) == 3 else operands
    syntax = ",".join(operand.name for operand in (FRT, *written))
    define_operation(
        section,
        f"{name}[.] {syntax}",
        form,
        title,
        operands,
        lambda doubles, fpscr: operate(operation, doubles, fpscr),
        fast=fast_operation(name),
    )


for _suffix, _opcode, _precision in (("", 63, ""), ("s", 59, " Single")):
    for _name, _xo, _title, _operands in (
        ("fadd", 21, "Add", (FRA, FRB)),
        ("fsub", 20, "Subtract", (FRA, FRB)),
        ("fmul", 25, "Multiply", (FRA, FRC)),
        ("fdiv", 18, "Divide", (FRA, FRB)),
        ("fsqrt", 22, "Square Root", (FRB,)),
        ("fmadd", 29, "Multiply-Add", (FRA, FRB, FRC)),
        ("fmsub", 28, "Multiply-Subtract", (FRA, FRB, FRC)),
        ("fnmadd", 31, "Negative Multiply-Add", (FRA, FRB, FRC)),
        ("fnmsub", 30, "Negative Multiply-Subtract", (FRA, FRB, FRC)),
    ):
        _form = a_form(_opcode, _xo)
        _arithmetic(_name + _suffix, _form, f"Floating {_title}{_precision}.", _operands)
    for _name, _xo, _title in (
        ("fcfid", 846, "Convert From Integer Doubleword"),
        ("fcfidu", 974, "Convert From Integer Doubleword Unsigned"),
    ):
        _form = x_form(_opcode, _xo)
        _arithmetic(_name + _suffix, _form, f"Floating {_title}{_precision}.", (FRB,))
_arithmetic("frsp", x_form(63, 12), "Floating Round to Single-Precision.", (FRB,))


def _to_integer(name: str, xo: int, width: int, *, is_signed: bool, to_zero: bool) -> None:
    size = "Doubleword" if width == 64 else "Word"
    title = f"Floating Convert To Integer {size}{'' if is_signed else ' Unsigned'}"
    define_operation(
        section,
        f"{name}[.] FRT,FRB",
        x_form(63, xo),
        f"{title}{' with round to Zero' if to_zero else ''}.",
        (FRB,),
        lambda doubles, fpscr: to_integer(
            doubles[0], fpscr, width, is_signed=is_signed, to_zero=to_zero
        ),
        fast=lambda cpu, b: fpinteger.to_integer(cpu, name, b),
    )


for _name, _xo, _width, _signed in (
    ("fctid", 814, 64, True), ("fctidu", 942, 64, False),
    ("fctiw", 14, 32, True), ("fctiwu", 142, 32, False),
):  # fmt: skip
    _to_integer(_name, _xo, _width, is_signed=_signed, to_zero=False)
    _to_integer(f"{_name}z", _xo + 1, _width, is_signed=_signed, to_zero=True)


def _to_integral(name: str, xo: int, rounding: int, title: str) -> None:
    define_operation(
        section,
        f"{name}[.] FRT,FRB",
        x_form(63, xo),
        title,
        (FRB,),
        lambda doubles, fpscr: to_integral(doubles[0], fpscr, rounding),
        fast=lambda cpu, b: fpinteger.to_integral(cpu, rounding, b),
    )


_to_integral("frin", 392, AWAY, "Floating Round to Integer Nearest.")
_to_integral("friz", 424, TOWARD_ZERO, "Floating Round to Integer Toward Zero.")
_to_integral("frip", 456, UP, "Floating Round to Integer Plus.")
_to_integral("frim", 488, DOWN, "Floating Round to Integer Minus.")


def define_compare(
    to: Section,
    syntax: str,
    form: Form,
    title: str,
    operands: tuple[Operand, Operand],
    *,
    ordered: bool,
) -> None:
    """Add a comparison of two doubles into a CR field and FPCC."""

    def helper(state: ArchState, _storage: Storage, fields: Fields) -> None:
        a, b = doubles(state, fields, *operands)
        relation, fpscr = compare(a, b, state.read(FPSCR), ordered=ordered)
        set_cr_field(state, fields[BF], relation)
        state.write(FPSCR, fpscr)

    def describe(cpu: Trace) -> None:
        a, b = (double(cpu, operand) for operand in operands)
        for element, bit in enumerate(fpfast.compare(cpu, a, b, ordered=ordered)):
            cpu[BF.offset(element)] = bit

    helper.__doc__ = describe.__doc__ = title
    to.define(syntax, form, helper=helper)(describe)


for _name, _xo, _ordered in (("fcmpu", 0, False), ("fcmpo", 32, True)):
    define_compare(
        section,
        f"{_name} BF,FRA,FRB",
        x_form(63, _xo),
        f"Floating Compare {'Ordered' if _ordered else 'Unordered'}.",
        (FRA, FRB),
        ordered=_ordered,
    )


@section.define_helper("ftdiv BF,FRA,FRB", x_form(63, 128))
def ftdiv(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Floating Test for software Divide."""
    set_cr_field(state, fields[BF], test_divide(*doubles(state, fields, FRA, FRB)))


@section.define_helper("ftsqrt BF,FRB", x_form(63, 160))
def ftsqrt(state: ArchState, _storage: Storage, fields: Fields) -> None:
    """Floating Test for software Square Root."""
    set_cr_field(state, fields[BF], test_square_root(*doubles(state, fields, FRB)))
