"""The typed IR that instruction descriptions are traced into.

A ``Template`` is one instruction with its static operands fixed. It is straight-line and has
three parts, always in this order, so that every instruction can be restarted at any fault:

1. ``ops``: values, reads of the state, and everything that may stop the instruction
   (loads, stores, conditional traps); all reads see the state before the instruction;
2. ``writes``: the new register values, in parallel;
3. ``end``: where execution goes.

An op's number is its index in ``ops``; arguments are such numbers. Widths are in bits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NewType, TypeAlias, TypeVar, get_args

from papvmm.bits import mask, ones, permute, rotl, signed
from papvmm.isa import hostfloat
from papvmm.isa.exit import Exit
from papvmm.isa.operands import Operand, Register
from papvmm.values import Unique, Value

Ref = NewType("Ref", int)
"""The number of an op in its template."""


class Const(Value):
    """A number known when the template is traced."""

    width: int
    value: int


class Immediate(Value):
    """The number in an operand field, known when the instruction is decoded."""

    width: int
    operand: Operand


class Cia(Value):
    """Current instruction address."""

    width: int = 64


class Now(Value):
    """Virtual time, in ns, as the instruction starts."""

    width: int = 64


class Pure(Value):
    """A function of its arguments; ``of`` is the width of the last argument."""

    width: int
    code: str
    args: tuple[Ref, ...]
    of: int


class Lanes(Value):
    """A pure function of each ``lane`` bits of its arguments, which are as wide as the result.

    Where a comparison holds, all bits of the lane are one.
    """

    width: int
    code: str
    args: tuple[Ref, ...]
    lane: int


class Get(Value):
    """A register, as it was before the instruction."""

    width: int
    register: Register


class Load(Value):
    """``width`` bits of memory at ``ea``, in the guest's byte order or reversed.

    If ``is_aligned``, an ``ea`` that is no multiple of the size stops with ALIGNMENT.
    """

    width: int
    ea: Ref
    is_reversed: bool
    is_aligned: bool = False


class Store(Value):
    """Write ``value`` to memory, like a load."""

    width: int
    ea: Ref
    value: Ref
    is_reversed: bool
    is_aligned: bool = False


class CompareExchange(Value):
    """If ``when``, replace ``expected`` by ``new`` in memory, atomically; one if that happened.

    An ``ea`` that is no multiple of the size stops with ALIGNMENT, whatever ``when`` says.
    """

    width: int
    of: int
    when: Ref
    ea: Ref
    expected: Ref
    new: Ref


class ExitIf(Value):
    """Stop before this instruction, with nothing written, if ``when`` but not ``unless``.

    Engines look at ``unless`` first: it is what is usual, and only then is ``when`` computed.
    """

    width: int
    when: Ref
    unless: Ref
    reason: Exit


Op: TypeAlias = (
    Pure | Lanes | Get | Const | Immediate | Load | Store | Cia | Now | CompareExchange | ExitIf
)


class Next(Value):
    """Go on with the next instruction."""


class Branch(Value):
    """If ``when``, go to CIA + ``displacement``."""

    when: Ref
    displacement: Ref


class BranchTo(Value):
    """If ``when``, go to ``address``."""

    when: Ref
    address: Ref


class Leave(Value):
    """Hand over to the engine; CIA becomes ``address``."""

    reason: Exit
    address: Ref


End: TypeAlias = Next | Branch | BranchTo | Leave


_N = TypeVar("_N", Op, End)
_REF_FIELDS: Final = {
    kind: tuple(name for name, its in kind.__annotations__.items() if its in (Ref, tuple[Ref, ...]))
    for kind in (*get_args(Op), *get_args(End))
}


def refs(node: Op | End) -> Iterator[Ref]:
    """Yield the ops that ``node`` uses."""
    for name in _REF_FIELDS[type(node)]:
        ref: Ref | tuple[Ref, ...] = getattr(node, name)
        if isinstance(ref, tuple):
            yield from ref
        else:
            yield ref


def renumber(node: _N, new: Mapping[Ref, Ref]) -> _N:
    """Return ``node`` with the ops it uses numbered anew."""
    changes: dict[str, Ref | tuple[Ref, ...]] = {}
    for name in _REF_FIELDS[type(node)]:
        ref: Ref | tuple[Ref, ...] = getattr(node, name)
        changes[name] = tuple(new[r] for r in ref) if isinstance(ref, tuple) else new[ref]
    return node.replace(**changes) if changes else node


class Template(Unique):
    """The traced semantics of one instruction with its static operands fixed.

    Templates are compared by identity, so that they make cheap keys.
    """

    name: str
    ops: tuple[Op, ...]
    writes: tuple[tuple[Register, Ref], ...]
    end: End

    def __str__(self) -> str:
        return "\n".join((self.name, *(f"  {line}" for line in _lines(self))))


PURE: Final[dict[str, Callable[..., int]]] = {
    "add": lambda _, a, b: a + b,
    "sub": lambda _, a, b: a - b,
    "mul": lambda _, a, b: a * b,
    "udiv": lambda _, a, b: a // b,
    "sdiv": lambda n, a, b: _truncating_quotient(signed(a, n), signed(b, n)),
    "and": lambda _, a, b: a & b,
    "or": lambda _, a, b: a | b,
    "xor": lambda _, a, b: a ^ b,
    "shl": lambda _, a, b: a << b,
    "lshr": lambda _, a, b: a >> b,
    "ashr": lambda n, a, b: signed(a, n) >> b,
    "rotl": lambda n, a, b: rotl(a, b, n),
    "eq": lambda _, a, b: a == b,
    "ult": lambda _, a, b: a < b,
    "slt": lambda n, a, b: signed(a, n) < signed(b, n),
    "clz": lambda n, a: n - a.bit_length(),
    "popcount": lambda _, a: a.bit_count(),
    "zext": lambda _, a: a,
    "trunc": lambda _, a: a,
    "sext": lambda n, a: signed(a, n),
    "select": lambda _, c, a, b: a if c else b,
    "mask": lambda _, a, b: mask(a, b),
    "permute": lambda _, a, b, c: permute(a, b, c),
    "fadd": lambda _, a, b: hostfloat.add(a, b),
    "fmul": lambda _, a, b: hostfloat.multiply(a, b),
    "fdiv": lambda _, a, b: hostfloat.divide(a, b),
    "fma": lambda _, a, b, c: hostfloat.multiply_add(a, b, c),
    "fsqrt": lambda _, a: hostfloat.square_root(a),
    "fsingle": lambda _, a: hostfloat.to_single(a),
    "fsigned": lambda _, a: hostfloat.from_integer(a),
    "fint": lambda _, a: hostfloat.to_integer(a),
    "flt": lambda _, a, b: hostfloat.is_less(a, b),
    "feq": lambda _, a, b: hostfloat.is_equal(a, b),
}
"""What each pure op computes, from the width of its last argument and its arguments.

Shift amounts are below the width and divisors are not zero: descriptions see to that. Doubles
are bits: of a result that is not finite only that is known. What fint gets is in range.
"""


def fold(op: Pure, args: Sequence[int]) -> int:
    """Evaluate a pure op on numbers."""
    return PURE[op.code](op.of, *args) & ones(op.width)


COMPARISONS: Final = ("eq", "ult", "slt")


def lanes(code: str, width: int, lane: int, *args: int) -> int:
    """Evaluate a lane op on numbers."""
    result, fill = 0, ones(lane) if code in COMPARISONS else 1
    for shift in range(0, width, lane):
        value = PURE[code](lane, *(arg >> shift & ones(lane) for arg in args))
        result |= (value * fill & ones(lane)) << shift
    return result


_NEUTRAL: Final = {"add": 0, "sub": 0, "or": 0, "xor": 0, "shl": 0, "lshr": 0, "ashr": 0, "rotl": 0}
_COMMUTATIVE: Final = ("add", "or", "xor", "and")


def unchanged(op: Pure, args: Sequence[int | str | None]) -> int | None:
    """Return which argument the result equals, given the arguments that are numbers."""
    if len(args) != 2:
        return None
    neutral = ones(op.width) if op.code == "and" else _NEUTRAL.get(op.code)
    if neutral is None:
        return None
    if args[1] == neutral:
        return 0
    return 1 if args[0] == neutral and op.code in _COMMUTATIVE else None


def _truncating_quotient(a: int, b: int) -> int:
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def _lines(template: Template) -> Iterator[str]:
    printed = [ref for ref, op in enumerate(template.ops) if not isinstance(op, Const)]
    numbers = {ref: number for number, ref in enumerate(printed)}

    def show(ref: Ref) -> str:
        op = template.ops[ref]
        return f"{op.value:#x}" if isinstance(op, Const) else f"%{numbers[ref]}"

    for number, ref in enumerate(printed):
        yield _line(number, template.ops[ref], show)
    for register, ref in template.writes:
        yield f"{register} <- {show(ref)}"
    match template.end:
        case Next():
            yield "next"
        case Branch(when, displacement):
            yield f"branch cia + {show(displacement)} if {show(when)}"
        case BranchTo(when, address):
            yield f"branch {show(address)} if {show(when)}"
        case Leave(reason, address):
            yield f"leave {reason.name} at {show(address)}"


def _line(number: int, op: Op, show: Callable[[Ref], str]) -> str:
    match op:
        case Pure(width, code, args) | Lanes(width, code, args):
            lane = f"/{op.lane}" if isinstance(op, Lanes) else ""
            return f"%{number}:{width} = {code}{lane} {', '.join(map(show, args))}"
        case Get(width, register):
            return f"%{number}:{width} = {register}"
        case Immediate(width, operand):
            return f"%{number}:{width} = {operand.name}"
        case Const(width, value):
            return f"%{number}:{width} = {value:#x}"
        case Cia(width) | Now(width):
            return f"%{number}:{width} = {type(op).__name__.lower()}"
        case Load(width, ea, is_reversed):
            aligned = " aligned" * op.is_aligned
            return f"%{number}:{width} = load{'r' * is_reversed}{aligned} {show(ea)}"
        case Store(width, ea, value, is_reversed):
            aligned = " aligned" * op.is_aligned
            return f"store{'r' * is_reversed}{aligned} {show(ea)}, {show(value)}:{width}"
        case CompareExchange(_, of, when, ea, expected, new):
            operands = ", ".join(map(show, (ea, expected, new)))
            return f"%{number}:1 = compare-exchange {operands}:{of} if {show(when)}"
        case ExitIf(_, when, unless, reason):
            usual = show(unless)
            return f"exit {reason.name} if {show(when)}" + f" unless {usual}" * (usual != "0x0")
