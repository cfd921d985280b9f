"""Walking a template: what every back end shares.

A back end turns ops into text. An atom is a number it knows now, or text that stands for a
value when the generated text runs; ops on numbers are folded here, so a back end that knows
the operand fields (a trace or a region) specialises the template as it walks it.
"""

from abc import ABC, abstractmethod
from typing import TypeAlias

from papvmm.isa.ir import (
    Cia,
    CompareExchange,
    Const,
    ExitIf,
    Get,
    Immediate,
    Lanes,
    Load,
    Now,
    Op,
    Pure,
    Ref,
    Store,
    Template,
    fold,
    unchanged,
)
from papvmm.isa.operands import Register

Atom: TypeAlias = int | str


def known(op: Pure, args: list[Atom]) -> Atom | None:
    """Return the value of a pure op if it is a number, or that of an argument."""
    same = unchanged(op, args)
    if same is not None:
        return args[same]
    numbers = [arg for arg in args if isinstance(arg, int)]
    return fold(op, numbers) if len(numbers) == len(args) else None


class Lowering(ABC):
    """One back end, building the text of some instructions."""

    def __init__(self) -> None:
        self.ref = Ref(0)
        """The op being walked."""

    def walk(self, template: Template) -> list[Atom]:
        """Append the ops of one instruction and return their values."""
        values: list[Atom] = []
        for number, op in enumerate(template.ops):
            self.ref = Ref(number)
            values.append(self.op(op, values))
        return values

    def op(self, op: Op, values: list[Atom]) -> Atom:
        """Append one op and return its value."""
        match op:
            case Pure(_, _, refs):
                return self._folded(op, [values[ref] for ref in refs])
            case Lanes(_, _, refs):
                return self.lanes(op, [values[ref] for ref in refs])
            case Get(_, register):
                return self.get(register)
            case Const(_, value):
                return value
            case Immediate():
                return self.immediate(op)
            case Load():
                return self.load(op, values[op.ea])
            case Store():
                self.store(op, values[op.ea], values[op.value])
            case Cia() | Now():
                return self.cia() if isinstance(op, Cia) else self.now()
            case ExitIf():
                self.exit_if(op, values)
            case CompareExchange():
                return self.compare_exchange(op, values)
        return 0

    def _folded(self, op: Pure, args: list[Atom]) -> Atom:
        """Append a pure op, unless its value is known or that of an argument."""
        value = known(op, args)
        return self.pure(op, args) if value is None else value

    @abstractmethod
    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        """Append a pure op."""

    @abstractmethod
    def lanes(self, op: Lanes, args: list[Atom]) -> Atom:
        """Append a lane op, whose arguments may all be numbers."""

    @abstractmethod
    def immediate(self, op: Immediate) -> Atom:
        """Return the number in an operand field."""

    @abstractmethod
    def cia(self) -> Atom:
        """Return the address of the instruction."""

    @abstractmethod
    def now(self) -> Atom:
        """Append a read of virtual time as it is before this instruction."""

    @abstractmethod
    def get(self, register: Register) -> Atom:
        """Return a register's value before the instruction."""

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
    def exit_if(self, op: ExitIf, values: list[Atom]) -> None:
        """Append a conditional exit."""
