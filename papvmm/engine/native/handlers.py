"""The native interpreter's handlers: one LLVM function per distinct template.

A handler finds its operands in the op record, where decoding put them, and passes control to
the handler of the next record. Registers are named by their offset in the vcpu buffer.
"""

from typing import Final

from papvmm.engine.lowering import Atom
from papvmm.engine.native import layout
from papvmm.engine.native.lower import CONVENTION, PARAMETERS, LlvmLowering, tail_call
from papvmm.isa.binding import Slots, plan
from papvmm.isa.exit import Exit
from papvmm.isa.ir import Const, Immediate, Op, Template
from papvmm.isa.operands import Register
from papvmm.isa.state import CIA, GPR, ZERO_GPR

NO_SLOTS: Final = Slots((), None, frozenset())


class Handler(LlvmLowering):
    """One handler under construction; ``near`` if its branch stays in the page."""

    def __init__(self, *, little_endian: bool = False, near: bool = False) -> None:
        super().__init__(little_endian=little_endian)
        self._near: Final = near
        self._slots = NO_SLOTS

    def instruction(self, template: Template) -> None:
        """Append the instruction whose handler this is."""
        self._slots = plan(template)
        super().instruction(template)

    def text(self, name: str) -> str:
        """Return the function's definition."""
        body = "\n".join(self.lines)
        return f"define internal {CONVENTION} @{name}{PARAMETERS} #0 {{\n{body}\n}}\n"

    def op(self, op: Op, values: list[Atom]) -> Atom:
        number = self.ref
        if number == self._slots.wide:
            wide = self.value(f"load i64, ptr {self.record(layout.WIDE_SLOT)}")
            return self.resized(wide, 64, op.width)
        if number in self._slots.small and not isinstance(op, Const):
            return self.resized(self._small(number), 16, op.width)
        return 0 if number in self._slots.skipped else super().op(op, values)

    def immediate(self, op: Immediate) -> Atom:
        raise ValueError(f"{op.operand.name} has no slot")

    def cia(self) -> Atom:
        number = self.value("ptrtoint ptr %ip to i64")
        within = self.value(f"and i64 {number}, {layout.RECORDS_SIZE - 1}")
        offset = self.value(f"lshr i64 {within}, {layout.RECORD_SHIFT}")
        return self.value(f"or i64 {self.read(layout.PAGE_EA)}, {offset}")

    def left(self, completed: int = 0) -> Atom:
        left = self.value(f"sub i64 %limit, {self.value('ptrtoint ptr %ip to i64')}")
        return self.value(f"sub i64 {left}, {layout.UNIT}") if completed else left

    def filler(self, field: int) -> str:
        return "@fill_store" if field == layout.FILL_STORE else "@fill_load"

    def get(self, register: Register) -> Atom:
        return self.load_cell(register.cell, self._address(register))

    def put(self, register: Register, value: Atom) -> None:
        self.store_cell(register.cell, self._address(register), value)

    def stop_before(self, reason: int) -> None:
        self.stop(reason, self.cia(), self.left())

    def leave(self, reason: Exit, address: Atom) -> None:
        self.stop(reason, address, self.left(reason.completes))

    def stop(self, reason: int, address: Atom, left: Atom) -> None:
        """Return to the engine."""
        self.write(layout.LEFT, left)
        self.write(CIA.offset, address)
        self.write(layout.STOP, int(reason))
        self.line("ret void")

    def go_on(self) -> None:
        self._go(layout.UNIT)

    def branch(self, when: Atom, displacement: Atom) -> None:
        self._untaken(when)
        if not self._near:
            self.lookup(self.value(f"add i64 {self.cia()}, {displacement}"))
            return
        distance = self.value(f"shl i64 {displacement}, {layout.RECORD_SHIFT}")
        moved = self.value(f"add i64 {distance}, {-layout.UNIT}")
        limit = self.value(f"add i64 %limit, {moved}")
        target = self.record(distance)
        short = self.poll(self.left(1))
        self.line(tail_call(self.value(f"load ptr, ptr {target}"), target, limit))
        self.line(f"{short}:")
        self.line(tail_call("@approach", target, limit))

    def branch_to(self, when: Atom, address: Atom) -> None:
        self._untaken(when)
        self.lookup(address)

    def change_mode(self, address: Atom) -> None:
        self.write(CIA.offset, address)
        self.line(tail_call("@context", "%ip", self.left(1)))

    def lookup(self, address: Atom) -> None:
        """Go on at an address, this instruction being complete."""
        self.write(CIA.offset, address)
        self.line(tail_call("@lookup", "%ip", self.left(1)))

    def record(self, offset: Atom) -> str:
        """Return the address of what is so many bytes after the op record's start."""
        return self.beside("%ip", offset)

    def _untaken(self, when: Atom) -> None:
        if isinstance(when, str):
            taken, untaken = self.label(), self.label()
            self.line(f"br i1 {when}, label %{taken}, label %{untaken}")
            self.line(f"{untaken}:")
            self._go(layout.UNIT)
            self.line(f"{taken}:")
        elif not when:
            raise ValueError("a branch that is never taken")

    def _go(self, distance: int) -> None:
        target = self.record(distance)
        self.line(tail_call(self.value(f"load ptr, ptr {target}"), target))

    def _address(self, register: Register) -> str:
        if register.operand is None:
            return self.field(register.cell.at(register.element))
        offset = self.resized(self._small(register._replace(element=0)), 16, 64)
        return self.field(self._beside(offset, register) if register.element else offset)

    def _beside(self, offset: Atom, register: Register) -> str:
        """Return the offset of the register ``element`` after the one at ``offset``."""
        moved = self.value(f"add i64 {offset}, {register.element * register.cell.size}")
        if register.cell is not GPR:
            return moved
        first = self.value(f"sub i64 {moved}, {GPR.offset}")
        wrapped = self.value(f"and i64 {first}, {ZERO_GPR * GPR.size - 1}")
        return self.value(f"add i64 {wrapped}, {GPR.offset}")

    def _small(self, key: Register | int) -> str:
        number = self._slots.small.index(key)
        return self.value(f"load i16, ptr {self.record(layout.SMALL_SLOT + 2 * number)}")
