"""Floating point on the host's doubles, where that is exact to FPSCR.

All is left to the helper but operations that round to nearest, with no exception enabled and
a usual result: neither tiny, overflown nor a NaN. Of FPSCR such an operation can only change
XX, which is to be set already or to stay clear, and FR, FI and FPRF, which ``record`` is for.

A result's range tells of its operands, too: a NaN or an infinity yields a NaN, an infinity or 0.
Tiny is tested by POWER before rounding, so the least normal number is no usual result.
"""

from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

from papvmm.bits import ones
from papvmm.isa.exit import Exit
from papvmm.isa.softfloat.compare import EQUAL, GREATER
from papvmm.isa.softfloat.formats import QUIET
from papvmm.isa.softfloat.fpscr import ENABLES, RN, XX
from papvmm.isa.softfloat.record import KINDS
from papvmm.isa.state import FP_A, FP_B, FP_C, FP_CC, FP_KIND, FPSCR
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

SIGN: Final = 1 << 63
RELIABLE: Final = 1023 - 959 << 53
"""Below this the error of a product may itself be too small for a double."""
FAR: Final = 1023 - 900 << 53
"""What is added to this has no bit that a double could not hold next to it."""
INFINITE: Final = 0x7FF << 53
DOUBLE_RANGE: Final = (2 << 53, 0x7FF - 2 << 53)
SINGLE_RANGE: Final = (1023 - 125 << 53, 253 << 53)
"""Twice the least usual result, and how far the others are from it."""


class Sum(NamedTuple):
    """A result in double precision: whether it is usual if it is 0, and whether it is exact."""

    result: Value
    may_be_zero: Value
    is_exact: Value
    is_always_exact_if_small: bool = False


Formula: TypeAlias = Callable[..., Sum]


def float_(cpu: Trace, code: str, *args: Value) -> Value:
    """Have the host compute a double."""
    return cpu.pure(code, 64, *args)


def twice(double: Value) -> Value:
    """Return the magnitude of a double, to be compared."""
    return double << 1


def _is_zero(double: Value) -> Value:
    return twice(double).eq(0)


def _error_of_sum(cpu: Trace, a: Value, b: Value, total: Value) -> Value:
    """Return a + b - total, exactly."""
    b_there = float_(cpu, "fadd", total, a ^ SIGN)
    a_there = float_(cpu, "fadd", total, b_there ^ SIGN)
    a_lost = float_(cpu, "fadd", a, a_there ^ SIGN)
    return float_(cpu, "fadd", a_lost, float_(cpu, "fadd", b, b_there ^ SIGN))


def _add(cpu: Trace, a: Value, b: Value) -> Sum:
    result = float_(cpu, "fadd", a, b)
    is_exact = _is_zero(_error_of_sum(cpu, a, b, result))
    return Sum(result, cpu.const(1, 1), is_exact, is_always_exact_if_small=True)


def _multiply(cpu: Trace, a: Value, c: Value) -> Sum:
    result = float_(cpu, "fmul", a, c)
    error = float_(cpu, "fma", a, c, result ^ SIGN)
    may_be_zero = _is_zero(a) | _is_zero(c)
    reliable = ~twice(result).ult(RELIABLE) | _is_zero(result)
    return Sum(result, may_be_zero, _is_zero(error) & reliable)


def _divide(cpu: Trace, a: Value, b: Value) -> Sum:
    result = float_(cpu, "fdiv", a, b)
    error = float_(cpu, "fma", result ^ SIGN, b, a)
    reliable = _is_zero(error) & ~twice(a).ult(RELIABLE)
    return Sum(result, _is_zero(a), reliable | _is_zero(result))


def _square_root(cpu: Trace, b: Value) -> Sum:
    result = float_(cpu, "fsqrt", b)
    error = float_(cpu, "fma", result ^ SIGN, result, b)
    reliable = _is_zero(error) & ~twice(b).ult(RELIABLE)
    return Sum(result, _is_zero(b), reliable | _is_zero(b))


def _multiply_add(cpu: Trace, a: Value, b: Value, c: Value) -> Sum:
    """Return a*c + b; it is only known to be exact if the product is, too."""
    result = float_(cpu, "fma", a, c, b)
    product = float_(cpu, "fmul", a, c)
    lost = float_(cpu, "fma", a, c, product ^ SIGN)
    error = _error_of_sum(cpu, product, b, result)
    factor_is_zero = _is_zero(a) | _is_zero(c)
    reliable = ~twice(product).ult(RELIABLE) | factor_is_zero
    may_be_zero = factor_is_zero | ~twice(b).ult(FAR)
    return Sum(result, may_be_zero, _is_zero(lost) & _is_zero(error) & reliable)


def _round(cpu: Trace, b: Value) -> Sum:
    return Sum(b, _is_zero(b), cpu.const(1, 1))


FORMULAS: Final[dict[str, tuple[Formula, tuple[int, ...], bool]]] = {
    "fadd": (_add, (), False),
    "fsub": (_add, (1,), False),
    "fmul": (_multiply, (), False),
    "fdiv": (_divide, (), False),
    "fsqrt": (_square_root, (), False),
    "fmadd": (_multiply_add, (), False),
    "fmsub": (_multiply_add, (1,), False),
    "fnmadd": (_multiply_add, (), True),
    "fnmsub": (_multiply_add, (1,), True),
}
"""What computes an operation, of which operands the sign is to be changed, and of the result."""


def arithmetic(cpu: Trace, name: str, operands: tuple[Value, ...]) -> Value:
    """Return the result of an operation and record it, or leave it to the helper."""
    single = name.endswith("s") or name == "frsp"
    formula, negated, negates = FORMULAS.get(name.removesuffix("s"), (_round, (), False))
    signed = [x ^ SIGN if n in negated else x for n, x in enumerate(operands)]
    computed = formula(cpu, *signed)
    result, is_exact = computed.result, computed.is_exact
    zero = _is_zero(computed.result) & computed.may_be_zero
    if single:
        result = float_(cpu, "fsingle", computed.result)
        low, span = SINGLE_RANGE
        in_range = (twice(result) - low).ult(span)
        once = rounds_once(name, computed.result)
        _leave_unless(cpu, in_range & once, zero | (in_range & is_exact))
        is_exact = is_exact & result.eq(computed.result)
    elif computed.is_always_exact_if_small:
        infinite = twice(operands[0]).eq(INFINITE) | twice(operands[1]).eq(INFINITE)
        _leave_unless(cpu, twice(result).ult(INFINITE), infinite & twice(result).eq(INFINITE))
    else:
        low, span = DOUBLE_RANGE
        _leave_unless(cpu, (twice(result) - low).ult(span), zero)
    leave_unless_calm(cpu, is_exact)
    record(cpu, name, *operands)
    return result ^ SIGN if negates else result


def rounds_once(name: str, double: Value) -> Value:
    """Tell whether rounding a rounded double cannot differ from rounding the exact value."""
    tie = (double & ones(29)).eq(1 << 28)
    return tie.coerce(1) if name == "frsp" else ~tie


def _leave_unless(cpu: Trace, usual: Value, fine: Value) -> None:
    """Leave to the helper what is neither usual nor, looking more closely, fine."""
    cpu.exit_if(~fine, Exit.HELPER, unless=usual)


def leave_unless_calm(cpu: Trace, is_exact: Value) -> None:
    """Leave to the helper what would have to set XX, or to heed an enable or a rounding mode."""
    calm = cpu[FPSCR] & (RN | ENABLES | XX)
    _leave_unless(cpu, calm.eq(XX), calm.eq(0) & is_exact)


def record(cpu: Trace, name: str, *operands: Value) -> None:
    """Leave what FR, FI and FPRF follow from."""
    cpu[FP_KIND] = cpu.const(KINDS[name], 8)
    for cell, operand in zip((FP_A, FP_B, FP_C), operands, strict=False):
        cpu[cell] = operand
    cpu[FP_CC] = cpu.const(0, 8)


def compare(cpu: Trace, a: Value, b: Value, *, ordered: bool) -> tuple[Value, ...]:
    """Return LT, GT, EQ and FU, and leave FPCC; NaNs that raise exceptions are the helper's."""
    lt, gt, eq = _compared(cpu, a, b)
    numbers = lt | gt | eq
    raises = cpu.const(1, 1) if ordered else _signals(a) | _signals(b)
    cpu.exit_if(raises, Exit.HELPER, unless=numbers)
    cpu[FP_CC] = lt.select(8, gt.select(4, eq.select(2, cpu.const(1, 8))))
    return lt, gt, eq, ~numbers


def _signals(double: Value) -> Value:
    """Tell whether a double is a signalling NaN."""
    is_nan = double.coerce(INFINITE).ult(twice(double))
    return is_nan & (double & QUIET).eq(0)


def _compared(cpu: Trace, a: Value, b: Value) -> tuple[Value, Value, Value]:
    """Return LT, GT and EQ: none of them with NaNs."""
    return cpu.pure("flt", 1, a, b), cpu.pure("flt", 1, b, a), cpu.pure("feq", 1, a, b)


def relation(cpu: Trace, a: Value, b: Value) -> tuple[Value, Value, Value]:
    """Return LT, GT and EQ of numbers; NaNs are the helper's."""
    lt, gt, eq = _compared(cpu, a, b)
    cpu.exit_if(~(lt | gt | eq), Exit.HELPER)
    return lt, gt, eq


def extreme(cpu: Trace, wanted: int, a: Value, b: Value) -> Value:
    """Return the greater or the lesser of numbers; the positive zero is the greater."""
    lt, gt, _ = relation(cpu, a, b)
    first, second = (gt, lt) if wanted == GREATER else (lt, gt)
    same = a & b if wanted == GREATER else a | b
    return first.select(a, second.select(b, same))


def extreme_as_c(cpu: Trace, wanted: int, a: Value, b: Value) -> Value:
    """Return the second number unless the first is wanted."""
    lt, gt, _ = relation(cpu, a, b)
    return (gt if wanted == GREATER else lt).select(a, b)


def compare_to_mask(cpu: Trace, accepted: int, a: Value, b: Value) -> Value:
    """Return all ones if the relation is one of those accepted."""
    _, gt, eq = relation(cpu, a, b)
    holds = {EQUAL: eq, GREATER: gt, GREATER | EQUAL: gt | eq}[accepted]
    return holds.select(-1, cpu.const(0))
