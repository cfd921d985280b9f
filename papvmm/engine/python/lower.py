"""IR to Python source: one function per guest basic block.

Registers live in locals, loaded when the block starts and written back, whatever happens, in
a ``finally``: all writes of an instruction follow everything in it that may fail, so a fault
finds the locals as they were before the faulting instruction.
"""

from collections.abc import Callable
from typing import Final

from papvmm.bits import ones
from papvmm.engine.lowering import Atom, Lowering
from papvmm.engine.stops import Stop
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    CompareExchange,
    End,
    ExitIf,
    Leave,
    Load,
    Next,
    Pure,
    Store,
    Template,
)
from papvmm.isa.operands import Register
from papvmm.isa.state import CIA, FAULT_EA, NOW, ZERO_GPR, Cell

PURE: Final[dict[str, str]] = {
    "add": "({0} + {1}) & {m}",
    "sub": "({0} - {1}) & {m}",
    "mul": "({0} * {1}) & {m}",
    "udiv": "{0} // {1}",
    "sdiv": "sdiv({n}, {0}, {1}) & {m}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "shl": "({0} << {1}) & {m}",
    "lshr": "{0} >> {1}",
    "ashr": "(({0} ^ {h}) - {h} >> {1}) & {m}",
    "rotl": "({0} << {1} | {0} >> ({n} - {1})) & {m}",
    "eq": "{0} == {1}",
    "ult": "{0} < {1}",
    "slt": "({0} ^ {h}) < ({1} ^ {h})",
    "clz": "{n} - ({0}).bit_length()",
    "popcount": "({0}).bit_count()",
    "zext": "{0}",
    "trunc": "{0} & {m}",
    "sext": "(({0} ^ {h}) - {h}) & {m}",
    "select": "{1} if {0} else {2}",
    "mask": "mask({0}, {1})",
}
"""Python for each pure op: n the argument width, h its sign bit, m a mask of the result."""


def expression(op: Pure, args: list[Atom]) -> str:
    """Return a Python expression for a pure op."""
    return PURE[op.code].format(*args, n=op.of, h=1 << (op.of - 1), m=ones(op.width))


class Block(Lowering):
    """The source of one basic block under construction."""

    def __init__(self, start: int) -> None:
        super().__init__()
        self.address = start
        self.count = 0
        self.is_open = True
        self._lines: Final[list[str]] = []
        self._locals: Final[dict[str, tuple[Cell, int]]] = {}
        self._written: frozenset[str] = frozenset()
        self._temporaries = 0

    def instruction(self, template: Template) -> None:
        """Append one instruction."""
        self._written = frozenset(self._local(register) for register, _ in template.writes)
        super().instruction(template)
        self.address += 4
        self.count += 1

    def source(self) -> str:
        """Return the text of the function ``block``."""
        if self.is_open:
            self._line(f"cia = {self.address}")
        body = "\n        ".join((*self._lines, "return 0"))
        load = "; ".join(f"{name} = {_slot(*cell)}" for name, cell in self._locals.items())
        save = "; ".join(f"{_slot(*cell)} = {name}" for name, cell in self._locals.items())
        return (
            f"def block(doublewords, octets, ram):\n"
            f"    {load or 'pass'}\n"
            f"    try:\n"
            f"        {body}\n"
            f"    except out_of_range:\n"
            f"        {_slot(FAULT_EA, 0)} = ea\n"
            f"        return {Stop.DATA_STORAGE:d}\n"
            f"    finally:\n"
            f"        {_slot(CIA, 0)} = cia; {save}\n"
        )

    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        return self._value(expression(op, args))

    def cia(self) -> Atom:
        return self.address

    def now(self) -> Atom:
        return self._value(f"{_slot(NOW, 0)} + {self.count}")

    def get(self, register: Register) -> Atom:
        index = self.index(register)
        if register.operand is not None and index == ZERO_GPR:
            return 0
        name = self._local(register)
        return self._value(name) if name in self._written else name

    def put(self, register: Register, value: Atom) -> None:
        self._line(f"{self._local(register)} = {value}")

    def load(self, op: Load, ea: Atom) -> Atom:
        self._line(f"cia = {self.address}; ea = {ea}")
        if op.is_aligned:
            self._align(op.width)
        return self._value(f"load{'r' * op.is_reversed}{op.width}(ram, ea)[0]")

    def store(self, op: Store, ea: Atom, value: Atom) -> None:
        self._line(f"cia = {self.address}; ea = {ea}")
        self._line(f"store{'r' * op.is_reversed}{op.width}(ram, ea, {value})")

    def compare_exchange(self, op: CompareExchange, values: list[Atom]) -> Atom:
        ea, expected, new, when = (values[r] for r in (op.ea, op.expected, op.new, op.when))
        self._line(f"cia = {self.address}; ea = {ea}")
        self._align(op.of)
        return self._value(f"exchange{op.of}(ram, ea, {expected}, {new}) if {when} else 0")

    def exit_if(self, op: ExitIf, when: Atom) -> None:
        self._line(f"if {when}:")
        self._line(f"    cia = {self.address}; return {op.reason:d}")

    def _align(self, width: int) -> None:
        if width > 8:
            self._line(f"if ea & {width // 8 - 1}:")
            self._line(f"    {_slot(FAULT_EA, 0)} = ea; return {Stop.ALIGNMENT:d}")

    def end(self, end: End, values: list[Atom]) -> None:
        match end:
            case Next():
                return
            case Branch(when, displacement):
                distance = values[displacement]
                assert isinstance(distance, int)
                self._branch(values[when], (self.address + distance) & ones(64))
            case BranchTo(when, address):
                self._branch(values[when], values[address])
            case Leave(reason, address):
                self._line(f"cia = {values[address]}; return {reason:d}")
        self.is_open = False

    def _branch(self, when: Atom, target: Atom) -> None:
        if isinstance(when, int):
            self._line(f"cia = {target if when else self.address + 4}")
        else:
            self._line(f"cia = {target} if {when} else {self.address + 4}")

    def _local(self, register: Register) -> str:
        index = self.index(register)
        name = f"{register.cell.name}{index}" if register.cell.count > 1 else register.cell.name
        self._locals[name] = (register.cell, index)
        return name

    def _value(self, source: str) -> str:
        self._temporaries += 1
        name = f"t{self._temporaries}"
        self._line(f"{name} = {source}")
        return name

    def _line(self, text: str) -> None:
        self._lines.append(text)


def _slot(cell: Cell, index: int) -> str:
    offset = cell.at(index)
    return f"doublewords[{offset // 8}]" if cell.size == 8 else f"octets[{offset}]"


BlockFunction = Callable[[memoryview, memoryview, memoryview], int]
