"""Tracing: running an instruction's description on symbolic values records its IR.

A description is a plain function of a ``Trace``, written like the Power ISA's own text:
``cpu[RT] = cpu[RA] + cpu[RB]``. Reads give the state before the instruction; writes are
collected and take effect together at its end, so no description can fault half-way.
"""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Final, NoReturn, TypeAlias, TypeVar

from papvmm.bits import ones
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    Cia,
    CompareExchange,
    Const,
    End,
    Exit,
    ExitIf,
    Get,
    Immediate,
    Leave,
    Load,
    Next,
    Now,
    Op,
    Pure,
    Store,
    Template,
    fold,
    unchanged,
)
from papvmm.isa.operands import OE, Kind, Operand, Rc, Register
from papvmm.isa.state import CR, GPR, OV, OV32, SO, Cell

Place: TypeAlias = Operand | Register | Cell
_O = TypeVar("_O", Op, End)


class BadDescription(Exception):
    """An instruction's description breaks a rule of the IR."""


class Value:
    """A symbolic number of a fixed width. Python's ``if`` does not apply: use ``select``."""

    __slots__ = ("ref", "trace", "width")

    def __init__(self, trace: "Trace", ref: int, width: int) -> None:
        self.trace: Final = trace
        self.ref: Final = ref
        self.width: Final = width

    def __bool__(self) -> NoReturn:
        raise BadDescription("a symbolic value has no truth: use select, when= or exit_if")

    def __add__(self, other: "Value | int") -> "Value":
        return self._binary("add", other)

    def __sub__(self, other: "Value | int") -> "Value":
        return self._binary("sub", other)

    def __mul__(self, other: "Value | int") -> "Value":
        return self._binary("mul", other)

    def __and__(self, other: "Value | int") -> "Value":
        return self._binary("and", other)

    def __or__(self, other: "Value | int") -> "Value":
        return self._binary("or", other)

    def __xor__(self, other: "Value | int") -> "Value":
        return self._binary("xor", other)

    def __invert__(self) -> "Value":
        return self._binary("xor", -1)

    def __lshift__(self, amount: "Value | int") -> "Value":
        return self._binary("shl", amount)

    def __rshift__(self, amount: "Value | int") -> "Value":
        return self._binary("lshr", amount)

    def sar(self, amount: "Value | int") -> "Value":
        """Shift right, filling with the sign."""
        return self._binary("ashr", amount)

    def rotl(self, amount: "Value | int") -> "Value":
        """Rotate left."""
        return self._binary("rotl", amount)

    def udiv(self, divisor: "Value | int") -> "Value":
        """Quotient of unsigned numbers; the divisor must not be zero."""
        return self._binary("udiv", divisor)

    def sdiv(self, divisor: "Value | int") -> "Value":
        """Quotient of signed numbers, towards zero; it must be representable."""
        return self._binary("sdiv", divisor)

    def eq(self, other: "Value | int") -> "Value":
        """One if equal."""
        return self._binary("eq", other, 1)

    def ne(self, other: "Value | int") -> "Value":
        """One if different."""
        return ~self.eq(other)

    def ult(self, other: "Value | int") -> "Value":
        """One if less, as unsigned numbers."""
        return self._binary("ult", other, 1)

    def slt(self, other: "Value | int") -> "Value":
        """One if less, as signed numbers."""
        return self._binary("slt", other, 1)

    def clz(self) -> "Value":
        """Count leading zeros."""
        return self.trace.pure("clz", self.width, self)

    def zext(self, width: int) -> "Value":
        """Extend with zeros."""
        return self.trace.pure("zext", width, self) if width != self.width else self

    def sext(self, width: int) -> "Value":
        """Extend with the sign: EXTS."""
        return self.trace.pure("sext", width, self) if width != self.width else self

    def trunc(self, width: int) -> "Value":
        """Keep the low ``width`` bits."""
        return self.trace.pure("trunc", width, self) if width != self.width else self

    def bit(self, number: int) -> "Value":
        """Return bit ``number`` of a 64-bit value, MSB-0."""
        return (self >> (63 - number)).trunc(1)

    def select(self, one: "Value | int", zero: "Value") -> "Value":
        """Return ``one`` if this bit is set, else ``zero``."""
        chosen = zero.coerce(one)
        return self.trace.pure("select", zero.width, self, chosen, zero)

    def coerce(self, other: "Value | int") -> "Value":
        """Return ``other`` as a value of this width."""
        if isinstance(other, int):
            return self.trace.const(other, self.width)
        if other.width != self.width:
            raise BadDescription(f"widths {self.width} and {other.width} differ")
        return other

    def _binary(self, code: str, other: "Value | int", width: int = 0) -> "Value":
        return self.trace.pure(code, width or self.width, self, self.coerce(other))


class Trace:
    """The machine a description runs on: records ops, writes and the end."""

    def __init__(
        self,
        operands: tuple[Operand, ...],
        statics: Mapping[Operand, int],
        *,
        problem_state: bool = False,
    ) -> None:
        self.operands: Final = operands
        self.problem_state: Final = problem_state
        self._statics: Final = statics
        self._ops: Final[list[Op]] = []
        self._known: Final[dict[Op, int]] = {}
        self._writes: Final[dict[Register, int]] = {}
        self._end: End = Next()

    # What a description reads and writes.

    def __getitem__(self, place: Place) -> Value:
        if isinstance(place, Operand) and place.kind is Kind.IMMEDIATE:
            return self._value(Immediate(64, place))
        register = _register(place)
        if register in self._writes:
            raise BadDescription(f"{register} is read after it was written")
        return self._value(Get(register.cell.width, register))

    def __setitem__(self, place: Place, value: Value) -> None:
        register = _register(place)
        if register in self._writes:
            raise BadDescription(f"{register} is written twice")
        if value.width != register.cell.width:
            raise BadDescription(f"{register} has {register.cell.width} bits, not {value.width}")
        self._writes[register] = value.ref

    def static(self, operand: Operand) -> int:
        """Return the number of a static operand; 0 if the instruction lacks it."""
        return self._statics.get(operand, 0)

    @property
    def cia(self) -> Value:
        """Current instruction address."""
        return self._value(Cia())

    @property
    def now(self) -> Value:
        """Instructions completed before this one."""
        return self._value(Now())

    @property
    def nia(self) -> Value:
        """Next instruction address."""
        return self.cia + 4

    def const(self, number: int, width: int = 64) -> Value:
        """Return a constant."""
        return self._value(Const(width, number & ones(width)))

    def mask(self, first: Value, last: Value) -> Value:
        """MASK(first, last)."""
        return self.pure("mask", 64, first, last)

    # Memory, exits and ends.

    def load(
        self, ea: Value, width: int, *, is_reversed: bool = False, is_aligned: bool = False
    ) -> Value:
        """Return ``width`` bits of memory: MEM(ea, width/8); ``ea`` must be aligned if asked."""
        return self._append(Load(width, ea.ref, is_reversed, is_aligned))

    def store(self, ea: Value, value: Value, *, is_reversed: bool = False) -> None:
        """MEM(ea, width/8) <- value."""
        self._append(Store(value.width, ea.ref, value.ref, is_reversed))

    def compare_exchange(self, when: Value, ea: Value, expected: Value, new: Value) -> Value:
        """Store ``new`` if ``when`` and memory still holds ``expected``; one if so."""
        return self._append(CompareExchange(1, new.width, when.ref, ea.ref, expected.ref, new.ref))

    def exit_if(self, when: Value, reason: Exit) -> None:
        """Stop before this instruction, with nothing written, if ``when``."""
        self._append(ExitIf(0, when.ref, reason))

    def branch(self, when: Value, displacement: Value) -> None:
        """If ``when``, go to CIA + ``displacement``."""
        self._end = Branch(when.ref, displacement.ref)

    def branch_to(self, when: Value, address: Value) -> None:
        """If ``when``, go to ``address``."""
        self._end = BranchTo(when.ref, address.ref)

    def leave(self, reason: Exit, address: Value) -> None:
        """Hand over to the engine, with CIA = ``address``."""
        self._end = Leave(reason, address.ref)

    def privileged(self) -> None:
        """Stop before this instruction: MSR[PR] is one and it is privileged."""
        self.leave(Exit.PRIVILEGED, self.cia)

    # What several instructions do in the same way.

    def set_cr_field(self, field: Operand | None, lt: Value, gt: Value, eq: Value) -> None:
        """Set a CR field (None: CR0) to lt, gt, eq and a copy of SO."""
        so = self.pending(SO)
        for element, value in enumerate((lt, gt, eq, so)):
            self[field.offset(element) if field else Register(CR, None, element)] = value

    def record(self, result: Value) -> None:
        """Set CR0 by comparing ``result`` with zero, as Rc=1 asks."""
        self.set_cr_field(None, result.slt(0), self.const(0).slt(result), result.eq(0))

    def overflow(self, ov: Value, ov32: Value) -> None:
        """Set OV, OV32 and the sticky SO, if OE=1."""
        if self.static(OE):
            self[SO] = self[SO] | ov
            self[OV] = ov
            self[OV32] = ov32

    def pending(self, cell: Cell) -> Value:
        """Return what a cell will hold after the writes so far."""
        ref = self._writes.get(Register(cell))
        return self[cell] if ref is None else Value(self, ref, cell.width)

    def finish(self, name: str) -> Template:
        """Apply Rc, drop unused values and return the template."""
        if self.static(Rc):
            result = next(ref for register, ref in self._writes.items() if register.cell is GPR)
            self.record(Value(self, result, 64))
        return _prune(Template(name, tuple(self._ops), tuple(self._writes.items()), self._end))

    def pure(self, code: str, width: int, *args: Value) -> Value:
        """Record a pure op, or fold it."""
        op = Pure(width, code, tuple(arg.ref for arg in args), args[-1].width)
        used = [self._ops[ref] for ref in op.args]
        numbers = [used_op.value if isinstance(used_op, Const) else None for used_op in used]
        same = unchanged(op, numbers)
        if same is not None:
            return args[same]
        known = [number for number in numbers if number is not None]
        return self.const(fold(op, known), width) if len(known) == len(args) else self._value(op)

    def _value(self, op: Op) -> Value:
        ref = self._known.get(op)
        if ref is None:
            ref = self._known[op] = self._append(op).ref
        return Value(self, ref, op.width)

    def _append(self, op: Op) -> Value:
        self._ops.append(op)
        return Value(self, len(self._ops) - 1, op.width)


def _register(place: Place) -> Register:
    match place:
        case Register():
            return place
        case Cell():
            return Register(place)
        case Operand():
            return place.offset(0)


REFS: Final = frozenset(
    ("ea", "value", "when", "expected", "new", "args", "displacement", "address")
)
EFFECTS: Final = (Load, Store, CompareExchange, ExitIf)


def refs(node: Op | End) -> Iterator[int]:
    """Yield the ops that ``node`` uses."""
    if isinstance(node, Const):
        return
    for item in fields(node):
        if item.name in REFS:
            ref: int | tuple[int, ...] = getattr(node, item.name)
            yield from ref if isinstance(ref, tuple) else (ref,)


def _prune(template: Template) -> Template:
    needed = {ref for _, ref in template.writes} | set(refs(template.end))
    for number in reversed(range(len(template.ops))):
        op = template.ops[number]
        if number in needed or isinstance(op, EFFECTS):
            needed.add(number)
            needed.update(refs(op))
    new = {old: number for number, old in enumerate(sorted(needed))}
    return Template(
        template.name,
        tuple(_renumber(template.ops[old], new) for old in new),
        tuple((register, new[ref]) for register, ref in template.writes),
        _renumber(template.end, new),
    )


def _renumber(node: _O, new: Mapping[int, int]) -> _O:
    changes: dict[str, int | tuple[int, ...]] = {}
    if not isinstance(node, Const):
        for item in fields(node):
            if item.name in REFS:
                ref: int | tuple[int, ...] = getattr(node, item.name)
                changes[item.name] = (
                    tuple(new[r] for r in ref) if isinstance(ref, tuple) else new[ref]
                )
    return replace(node, **changes) if changes else node  # type: ignore[arg-type]
