"""Filling op records: functions from an instruction word to the slots that its handler reads.

They are lowered from the early ops of templates, as handlers are from the others. Many
templates share one.
"""

from typing import Final

from papvmm.engine.lowering import Atom, known
from papvmm.engine.native import layout
from papvmm.engine.native.lower import FINDER, LlvmText
from papvmm.isa.binding import SMALL_SLOTS, plan
from papvmm.isa.ir import Branch, Const, Immediate, Pure, Ref, Template
from papvmm.isa.operands import Kind, Operand, Register
from papvmm.isa.state import ZERO_GPR

SIGNATURE: Final = "(ptr %ip, i64 %word, ptr %far, ptr %near)"
"""The op record, the word, and the handlers for branches out of the page, and within it."""


class Filler(LlvmText):
    """The filler of a template: it returns which of two handlers the record is for."""

    def __init__(self, template: Template) -> None:
        super().__init__()
        self._template: Final = template
        self._values: Final[dict[Ref, Atom]] = {}
        slots = plan(template)
        wide: Atom = 0
        if slots.wide is not None:
            ref = Ref(slots.wide)
            wide = self.resized(self._value(ref), template.ops[ref].width, 64)
        self.line(f"store i64 {wide}, ptr {self.beside('%ip', layout.WIDE_SLOT)}")
        small = [self._small(slot) for slot in slots.small]
        for number, value in enumerate((*small, *(0 for _ in range(SMALL_SLOTS - len(small))))):
            place = self.beside("%ip", layout.SMALL_SLOT + 2 * number)
            self.line(f"store i16 {value}, ptr {place}")
        handler = self._handler(wide) if isinstance(template.end, Branch) else "%far"
        self.line(f"ret ptr {handler}")

    def body(self) -> str:
        """Return the function's text but for its name, by which equal ones are known."""
        lines = "\n".join(self.lines)
        return f"{SIGNATURE} #0 {{\n{lines}\n}}\n"

    def _handler(self, displacement: Atom) -> str:
        """Tell whether a branch stays in its page."""
        number = self.value("ptrtoint ptr %ip to i64")
        within = self.value(f"and i64 {number}, {layout.RECORDS_SIZE - 1}")
        distance = self.value(f"shl i64 {displacement}, {layout.RECORD_SHIFT}")
        target = self.value(f"add i64 {within}, {distance}")
        stays = self.value(f"icmp ult i64 {target}, {layout.RECORDS_SIZE}")
        return self.value(f"select i1 {stays}, ptr %near, ptr %far")

    def _value(self, ref: Ref) -> Atom:
        """Return the value of an early op, appended when it is first needed."""
        if ref not in self._values:
            self._values[ref] = self._computed(ref)
        return self._values[ref]

    def _computed(self, ref: Ref) -> Atom:
        match self._template.ops[ref]:
            case Const(_, value):
                return value
            case Immediate(width, operand):
                return self.resized(self._field(operand), 64, width)
            case Pure(_, _, refs) as op:
                args = [self._value(arg) for arg in refs]
                same = known(op, args)
                if same is not None:
                    return same
                return self._mask(*args) if op.code == "mask" else self.pure(op, args)
            case op:
                raise ValueError(f"{op} is not known from the instruction word")

    def _mask(self, first: Atom, last: Atom) -> str:
        """Append MASK(x, y): see ``bits.mask``."""
        from_first = self.value(f"lshr i64 -1, {first}")
        to_last = self.value(f"shl i64 -1, {self.value(f'sub i64 63, {last}')}")
        both = self.value(f"and i64 {from_first}, {to_last}")
        either = self.value(f"or i64 {from_first}, {to_last}")
        is_whole = self.value(f"icmp ule i64 {first}, {last}")
        return self.value(f"select i1 {is_whole}, i64 {both}, i64 {either}")

    def _field(self, operand: Operand) -> str:
        """Append the extraction of an operand's number, as ``Operand.decode`` does it."""
        value = ""
        low = operand.width
        for first, last in operand.bits:
            low -= last - first + 1
            moved = self.value(f"lshr i64 %word, {31 - last}")
            part = self.value(f"and i64 {moved}, {(1 << last - first + 1) - 1}")
            placed = self.value(f"shl i64 {part}, {low}")
            value = self.value(f"or i64 {value}, {placed}") if value else placed
        if operand.is_signed:
            above = 64 - operand.width
            value = self.value(f"ashr i64 {self.value(f'shl i64 {value}, {above}')}, {above}")
        return self.value(f"shl i64 {value}, {operand.scale}")

    def _small(self, slot: Register | int) -> Atom:
        if isinstance(slot, int):
            return self.resized(self._value(Ref(slot)), self._template.ops[slot].width, 16)
        assert slot.operand is not None
        index = self._field(slot.operand)
        if slot.operand.kind is Kind.GPR_OR_ZERO:
            is_zero = self.value(f"icmp eq i64 {index}, 0")
            index = self.value(f"select i1 {is_zero}, i64 {ZERO_GPR}, i64 {index}")
        scaled = self.value(f"mul i64 {index}, {slot.cell.size * slot.operand.stride}")
        return self.resized(self.value(f"add i64 {scaled}, {slot.cell.offset}"), 64, 16)


class Fillers:
    """The fillers of a module, one of each kind."""

    def __init__(self) -> None:
        self._names: Final[dict[str, str]] = {}

    def name(self, template: Template) -> str:
        """Return the name of a template's filler."""
        return self._names.setdefault(Filler(template).body(), f"slots{len(self._names)}")

    def text(self) -> str:
        """Return the definitions."""
        return "\n".join(
            f"define internal {FINDER} @{name}{body}" for body, name in self._names.items()
        )
