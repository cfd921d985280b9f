"""Tracing: running an instruction's description on symbolic values records its IR.

A description is a plain function of a ``Trace``, written like the Power ISA's own text:
``cpu[RT] = cpu[RA] + cpu[RB]``. Reads give the state before the instruction; writes are
collected and take effect together at its end, so no description can fault half-way.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from papvmm.bits import ones
from papvmm.isa.exit import UNAVAILABLE, Exit
from papvmm.isa.facilities import Facility, Unit
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    Cia,
    CompareExchange,
    Const,
    End,
    ExitIf,
    Get,
    Immediate,
    Lanes,
    Leave,
    Load,
    Next,
    Now,
    Op,
    Pure,
    Ref,
    Store,
    Template,
    fold,
    lanes,
    refs,
    renumber,
    unchanged,
)
from papvmm.isa.operands import HIGH, LOW, OE, Kind, Operand, Rc, Register
from papvmm.isa.state import CR, FPSCR, FSCR, GPR, MSR, OV, OV32, SO, Cell
from papvmm.isa.value import BadDescription, Value
from papvmm.isa.versions import Isa

Place: TypeAlias = Operand | Register | Cell


class Trace:
    """The machine a description runs on: records ops, writes and the end."""

    def __init__(
        self,
        operands: tuple[Operand, ...],
        statics: Mapping[Operand, int],
        *,
        problem_state: bool = False,
        sf: bool = True,
        isa: Isa = Isa.V3_0,
    ) -> None:
        self.operands: Final = operands
        self.problem_state: Final = problem_state
        self.sf: Final = sf
        self.is_of_one_version = False
        """Whether the description has asked for the version of the Power ISA."""
        self._isa: Final = isa
        self._statics: Final = statics
        self._ops: Final[list[Op]] = []
        self._known: Final[dict[Op, Ref]] = {}
        self._writes: Final[dict[Register, Ref]] = {}
        self._end: End = Next()

    # What a description reads and writes.

    def __getitem__(self, place: Place) -> Value:
        if isinstance(place, Operand) and place.kind is Kind.IMMEDIATE:
            return self._value(Immediate(64, place))
        if isinstance(place, Operand) and place.kind in QUADWORDS:
            high, low = (self[place.offset(half)].zext(128) for half in (HIGH, LOW))
            return (high << 64) | low
        register = _register(place)
        if register in self._writes:
            raise BadDescription(f"{register} is read after it was written")
        return self._value(Get(register.cell.width, register))

    def __setitem__(self, place: Place, value: Value) -> None:
        if isinstance(place, Operand) and place.kind in QUADWORDS:
            self[place.offset(HIGH)] = (value >> 64).trunc(64)
            self[place.offset(LOW)] = value.trunc(64)
            return
        if isinstance(place, Operand) and place.kind is Kind.FPR:
            self[place.offset(LOW - HIGH)] = self.const(0)
        register = _register(place)
        if register in self._writes:
            raise BadDescription(f"{register} is written twice")
        if value.width != register.cell.width:
            raise BadDescription(f"{register} has {register.cell.width} bits, not {value.width}")
        self._writes[register] = value.ref

    def number(self, operand: Operand) -> Value:
        """Return the number in an operand field, whatever it stands for."""
        return self._value(Immediate(64, operand))

    def static(self, operand: Operand) -> int:
        """Return the number of a static operand; 0 if the instruction lacks it."""
        return self._statics.get(operand, 0)

    @property
    def isa(self) -> Isa:
        """The version of the Power ISA that the processor implements."""
        self.is_of_one_version = True
        return self._isa

    @property
    def cia(self) -> Value:
        """Current instruction address."""
        return self._value(Cia())

    @property
    def now(self) -> Value:
        """Virtual time, in ns, as the instruction starts."""
        return self._value(Now())

    @property
    def nia(self) -> Value:
        """Next instruction address."""
        return self.address(self.cia + 4)

    def address(self, ea: Value) -> Value:
        """Return an effective address as this mode uses it: its low word if MSR[SF] is 0."""
        return ea if self.sf else ea & ones(32)

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

    def store(
        self, ea: Value, value: Value, *, is_reversed: bool = False, is_aligned: bool = False
    ) -> None:
        """MEM(ea, width/8) <- value; ``ea`` must be aligned if asked."""
        self._append(Store(value.width, ea.ref, value.ref, is_reversed, is_aligned))

    def compare_exchange(self, when: Value, ea: Value, expected: Value, new: Value) -> Value:
        """Store ``new`` if ``when`` and memory still holds ``expected``; one if so."""
        return self._append(CompareExchange(1, new.width, when.ref, ea.ref, expected.ref, new.ref))

    def exit_if(self, when: Value, reason: Exit, *, unless: Value | None = None) -> None:
        """Stop before this instruction, with nothing written, if ``when`` but not ``unless``."""
        usual = self.const(0, 1) if unless is None else unless
        self._append(ExitIf(0, when.ref, usual.ref, reason))

    def branch(self, when: Value, displacement: Value) -> None:
        """If ``when``, go to CIA + ``displacement``."""
        if self.sf:
            self._end = Branch(when.ref, displacement.ref)
        else:
            self.branch_to(when, self.cia + displacement)

    def branch_to(self, when: Value, address: Value) -> None:
        """If ``when``, go to ``address``."""
        self._end = BranchTo(when.ref, self.address(address).ref)

    def leave(self, reason: Exit, address: Value) -> None:
        """Hand over to the engine, with CIA = ``address``."""
        self._end = Leave(reason, address.ref)

    def refuse(self, reason: Exit) -> None:
        """Hand over to the engine before this instruction, with nothing done."""
        self.leave(reason, self.cia)

    def exit_unless_available(self, facility: Facility) -> None:
        """Stop before this instruction if FSCR denies ``facility`` to problem state."""
        if self.problem_state:
            available = self[FSCR] & facility.fscr_bit
            self.exit_if(available.eq(0), Exit.unavailable(facility))

    def exit_unless_on(self, unit: Unit) -> None:
        """Stop before this instruction if MSR denies ``unit``."""
        self.exit_if((self[MSR] & unit).eq(0), UNAVAILABLE[unit])

    def exit_unless_on_for(self, vsr: Operand, low: Unit, high: Unit) -> None:
        """Stop if MSR denies the unit of this VSR: ``low`` for VSR 0 to 31, else ``high``."""
        is_high = (self.number(vsr) >> 5).ne(0)
        self.exit_if(~is_high & (self[MSR] & low).eq(0), UNAVAILABLE[low])
        self.exit_if(is_high & (self[MSR] & high).eq(0), UNAVAILABLE[high])

    # What several instructions do in the same way.

    def set_cr_field(self, field: Operand | None, lt: Value, gt: Value, eq: Value) -> None:
        """Set a CR field (None: CR0) to lt, gt, eq and a copy of SO."""
        so = self.pending(SO)
        for element, value in enumerate((lt, gt, eq, so)):
            self[field.offset(element) if field else Register(CR, None, element)] = value

    def record(self, result: Value) -> None:
        """Set CR0 by comparing ``result`` with zero, as Rc=1 asks."""
        if not self.sf:
            result = result.trunc(32)
        self.set_cr_field(None, result.slt(0), result.coerce(0).slt(result), result.eq(0))

    def _record_float(self) -> None:
        """Set CR1 to FX, FEX, VX and OX, as Rc=1 asks where no GPR is the target."""
        fpscr = self.pending(FPSCR)
        for element in range(4):
            self[Register(CR, None, 4 + element)] = fpscr.bit(32 + element)

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
            results = [ref for register, ref in self._writes.items() if register.cell is GPR]
            if results:
                self.record(Value(self, results[0], 64))
            else:
                self._record_float()
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

    def lanes(self, code: str, lane: int, *args: Value) -> Value:
        """Record a lane op, or fold it."""
        width = args[0].width
        ops = [self._ops[arg.ref] for arg in args]
        known = [op.value for op in ops if isinstance(op, Const)]
        if len(known) == len(args):
            return self.const(lanes(code, width, lane, *known), width)
        return self._value(Lanes(width, code, tuple(arg.ref for arg in args), lane))

    def _value(self, op: Op) -> Value:
        ref = self._known.get(op)
        if ref is None:
            ref = self._known[op] = self._append(op).ref
        return Value(self, ref, op.width)

    def _append(self, op: Op) -> Value:
        self._ops.append(op)
        return Value(self, Ref(len(self._ops) - 1), op.width)


def _register(place: Place) -> Register:
    match place:
        case Register():
            return place
        case Cell():
            return Register(place)
        case Operand():
            return place.offset(0)


QUADWORDS: Final = (Kind.VR, Kind.VSR)
EFFECTS: Final = (Load, Store, CompareExchange, ExitIf)


def _prune(template: Template) -> Template:
    needed = {ref for _, ref in template.writes} | set(refs(template.end))
    for number in reversed(range(len(template.ops))):
        op = template.ops[number]
        if number in needed or isinstance(op, EFFECTS):
            needed.add(Ref(number))
            needed.update(refs(op))
    new = {old: Ref(number) for number, old in enumerate(sorted(needed))}
    return Template(
        template.name,
        tuple(renumber(template.ops[old], new) for old in new),
        tuple((register, new[ref]) for register, ref in template.writes),
        renumber(template.end, new),
    )
