"""Walking a template: what every back end shares.

A back end turns ops into text. An atom is a number it knows now, or the name of a value it
will know when the text runs; ops on numbers are folded here, so a back end that knows the
operand fields (a block or a region) specialises the template as it walks it.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

from papvmm.bits import ones
from papvmm.isa.ir import (
    Cia,
    CompareExchange,
    Const,
    End,
    ExitIf,
    Get,
    Immediate,
    Load,
    Now,
    Op,
    Pure,
    Store,
    Template,
    fold,
    unchanged,
)
from papvmm.isa.operands import Operand, Register

Atom: TypeAlias = int | str


class Lowering(ABC):
    """One back end, building the text of some instructions."""

    def __init__(self) -> None:
        self.operands: Mapping[Operand, int] = {}

    def instruction(self, template: Template) -> None:
        """Append one instruction; ``operands`` holds the numbers of its fields."""
        values: list[Atom] = []
        for op in template.ops:
            values.append(self.op(op, values))
        for register, ref in template.writes:
            self.put(register, values[ref])
        self.end(template.end, values)

    def op(self, op: Op, values: list[Atom]) -> Atom:
        """Append one op and return its value."""
        match op:
            case Pure(_, _, refs):
                args = [values[ref] for ref in refs]
                same = unchanged(op, args)
                if same is not None:
                    return args[same]
                numbers = [arg for arg in args if isinstance(arg, int)]
                return fold(op, numbers) if len(numbers) == len(args) else self.pure(op, args)
            case Get(_, register):
                return self.get(register)
            case Const(_, value):
                return value
            case Immediate(width, operand):
                return self.operands[operand] & ones(width)
            case Load():
                return self.load(op, values[op.ea])
            case Store():
                self.store(op, values[op.ea], values[op.value])
            case Cia() | Now():
                return self.cia() if isinstance(op, Cia) else self.now()
            case ExitIf():
                self.exit_if(op, values[op.when])
            case CompareExchange():
                return self.compare_exchange(op, values)
        return 0

    @abstractmethod
    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        """Append a pure op."""

    @abstractmethod
    def cia(self) -> Atom:
        """Return the address of the instruction."""

    @abstractmethod
    def now(self) -> Atom:
        """Append the count of instructions completed before this one."""

    @abstractmethod
    def get(self, register: Register) -> Atom:
        """Return a register's value before the instruction."""

    @abstractmethod
    def put(self, register: Register, value: Atom) -> None:
        """Set a register."""

    @abstractmethod
    def load(self, op: Load, ea: Atom) -> Atom:
        """Append a load."""

    @abstractmethod
    def store(self, op: Store, ea: Atom, value: Atom) -> None:
        """Append a store."""

    @abstractmethod
    def compare_exchange(self, op: CompareExchange, values: list[Atom]) -> Atom:
        """Append a compare-and-exchange."""

    @abstractmethod
    def exit_if(self, op: ExitIf, when: Atom) -> None:
        """Append a conditional exit."""

    @abstractmethod
    def end(self, end: End, values: list[Atom]) -> None:
        """Append the end of the instruction."""

    def index(self, register: Register) -> int:
        """Return the element of its array that a register is, the operands being known."""
        if register.operand is None:
            return register.element
        return register.element_for(self.operands[register.operand])
