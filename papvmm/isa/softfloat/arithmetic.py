"""Sums, products, quotients and roots (Power ISA v3.0B, Book I, 4.6.6).

Operations are called as the floating-point instructions are; those of VSX compute the same.
"""

from collections.abc import Callable
from math import isqrt
from typing import Final, NamedTuple

from papvmm.isa.softfloat.formats import (
    DEFAULT_NAN,
    DOUBLE,
    INFINITY,
    SIGN,
    SINGLE,
    Format,
    Number,
    is_infinite,
    is_nan,
    propagate_nan,
    result_class,
    round_result,
    unpack,
)
from papvmm.isa.softfloat.fpscr import (
    DOWN,
    NEAREST,
    RN,
    VXIDI,
    VXIMZ,
    VXISI,
    VXSQRT,
    VXZDZ,
    ZX,
    Answer,
    Outcome,
    conclude,
)


def add(a: int, b: int, rounding: int) -> Number | Answer:
    """Add doubles that are not NaNs."""
    if is_infinite(a) or is_infinite(b):
        if is_infinite(a) and is_infinite(b) and a != b:
            return Answer(DEFAULT_NAN, VXISI)
        return Answer(a if is_infinite(a) else b)
    return add_numbers(unpack(a), unpack(b), rounding)


def add_numbers(a: Number, b: Number, rounding: int) -> Number:
    """Add finite values; the sign of an exact zero depends on the rounding mode."""
    exponent = min(a.exponent, b.exponent)
    if total := sum((-1) ** x.sign * x.mantissa << x.exponent - exponent for x in (a, b)):
        return Number(int(total < 0), abs(total), exponent)
    return Number(a.sign if a.sign == b.sign else int(rounding == DOWN), 0, 0)


def subtract(a: int, b: int, rounding: int) -> Number | Answer:
    """Subtract doubles that are not NaNs."""
    return add(a, b ^ SIGN, rounding)


def multiply(a: int, c: int, _rounding: int) -> Number | Answer:
    """Multiply doubles that are not NaNs."""
    sign = (a ^ c) >> 63
    if is_infinite(a) or is_infinite(c):
        if not a & ~SIGN or not c & ~SIGN:
            return Answer(DEFAULT_NAN, VXIMZ)
        return Answer(sign << 63 | INFINITY)
    x, y = unpack(a), unpack(c)
    return Number(sign, x.mantissa * y.mantissa, x.exponent + y.exponent)


def divide(a: int, b: int, _rounding: int) -> Number | Answer:
    """Divide doubles that are not NaNs."""
    sign = (a ^ b) & SIGN
    if is_infinite(a):
        return Answer(DEFAULT_NAN, VXIDI) if is_infinite(b) else Answer(sign | INFINITY)
    if is_infinite(b):
        return Answer(sign)
    x, y = unpack(a), unpack(b)
    if not y.mantissa:
        return Answer(sign | INFINITY, ZX) if x.mantissa else Answer(DEFAULT_NAN, VXZDZ)
    quotient, rest = divmod(x.mantissa << 110, y.mantissa)
    return Number(sign >> 63, quotient << 1 | bool(rest), x.exponent - y.exponent - 111)


def square_root(b: int, _rounding: int) -> Number | Answer:
    """Take the root of a double that is not a NaN."""
    if not b & ~SIGN or b == INFINITY:
        return Answer(b)
    if b >> 63:
        return Answer(DEFAULT_NAN, VXSQRT)
    _, mantissa, exponent = unpack(b)
    square = mantissa << 120 + (exponent & 1)
    root = isqrt(square)
    return Number(0, root << 1 | (root * root != square), (exponent >> 1) - 61)


def multiply_add(a: int, b: int, c: int, rounding: int) -> Number | Answer:
    """Return a*c + b, in the ISA's order of operands."""
    product = multiply(a, c, rounding)
    if isinstance(product, Answer):
        return product if product.flags else add(product.bits, b, rounding)
    return Answer(b) if is_infinite(b) else add_numbers(product, unpack(b), rounding)


def multiply_subtract(a: int, b: int, c: int, rounding: int) -> Number | Answer:
    """Return a*c - b."""
    return multiply_add(a, b ^ SIGN, c, rounding)


def identity(b: int, _rounding: int) -> Number | Answer:
    """Return the operand."""
    return Answer(b) if is_infinite(b) else unpack(b)


def from_signed(b: int, _rounding: int) -> Number:
    """Read a doubleword as a signed integer."""
    return Number(1, (1 << 64) - b, 0) if b >> 63 else Number(0, b, 0)


def from_unsigned(b: int, _rounding: int) -> Number:
    """Read a doubleword as an unsigned integer."""
    return Number(0, b, 0)


class Operation(NamedTuple):
    """An operation that yields a floating-point number."""

    exact: Callable[..., Number | Answer]
    to: Format = DOUBLE
    is_negated: bool = False
    takes_integer: bool = False


EXACT: Final[dict[str, Callable[..., Number | Answer]]] = {
    "fadd": add, "fsub": subtract, "fmul": multiply, "fdiv": divide, "fsqrt": square_root,
    "fmadd": multiply_add, "fmsub": multiply_subtract, "fnmadd": multiply_add,
    "fnmsub": multiply_subtract, "fcfid": from_signed, "fcfidu": from_unsigned,
}  # fmt: skip
OPERATIONS: Final = {
    name + suffix: Operation(exact, to, name.startswith("fn"), name.startswith("fcf"))
    for name, exact in EXACT.items()
    for suffix, to in (("", DOUBLE), ("s", SINGLE))
} | {"frsp": Operation(identity, SINGLE)}
"""By mnemonic; operands come in the order FRA, FRB, FRC."""


def operate(
    operation: Operation, operands: tuple[int, ...], fpscr: int, classified: Format = DOUBLE
) -> Outcome:
    """Perform an operation; FPRF tells the class that the result has in a format."""
    if not operation.takes_integer and any(map(is_nan, operands)):
        bits, flags = propagate_nan(operands)
        if len(operands) == 3 and not is_nan(operands[0]) and not is_nan(operands[2]):
            product = multiply(operands[0], operands[2], NEAREST)
            flags |= product.flags if isinstance(product, Answer) else 0  # VXIMZ all the same
        dropped = operation.to.dropped
        answer = Answer(bits >> dropped << dropped, flags)
    else:
        exact = operation.exact(*operands, fpscr & RN)
        answer = exact if isinstance(exact, Answer) else round_result(exact, operation.to, fpscr)
        if operation.is_negated and not is_nan(answer.bits):
            answer = Answer(answer.bits ^ SIGN, answer.flags)
    return conclude(answer, result_class(answer.bits, classified), fpscr)
