"""Hot code: the path that execution took, as one Python function.

A trace is what was executed from some address on, until it came back there or met other hot
code. Registers live in locals. A branch that goes another way than it did leaves the trace;
one whose end is its beginning is a loop inside the function, as long as the budget lasts.
All writes of an instruction follow everything in it that may fail, so a fault finds the
locals as they were before the faulting instruction; which one it was, its line says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from papvmm.bits import M64, ones
from papvmm.engine.lowering import Atom
from papvmm.engine.python.access import Address, Code, Data, namespace
from papvmm.engine.python.lower import PythonLowering, slot, unusual
from papvmm.engine.stops import Stop
from papvmm.isa.decode import Decoded
from papvmm.isa.ir import ExitIf, Immediate, Template
from papvmm.isa.operands import Operand, Register
from papvmm.isa.state import CIA, GPR, NOW, ZERO_GPR, Cell

TraceFunction: TypeAlias = Callable[[memoryview, memoryview, Data, Code, int], int]
"""Runs at most so many instructions, given the state as doublewords and as bytes, RAM and the
code map; returns a stop reason, or 0 to go on at CIA."""


class Step(NamedTuple):
    """One instruction on the way: where it is, what it is, where execution went."""

    cia: int
    word: int
    nia: int


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """A compiled path of ``length`` instructions, at effective addresses.

    ``pages`` says where the pages were, by number, that it was made from, if translated.
    """

    function: TraceFunction
    length: int
    addresses: frozenset[int]
    pages: Mapping[int, int]


def compile_trace(
    steps: Sequence[Step],
    meanings: Sequence[tuple[Decoded, Template]],
    pages: Mapping[int, int],
    *,
    addressing: Address,
    little_endian: bool,
) -> Trace:
    """Compile a path of instructions that mean this."""
    source = TraceSource(addressing)
    for step, (decoded, template) in zip(steps, meanings, strict=True):
        source.append(step, decoded.operands, template)
    made: dict[str, TraceFunction] = {}
    exec(source.text(steps[0].cia, steps[-1].nia), namespace(little_endian=little_endian), made)
    return Trace(made["trace"], len(steps), frozenset(step.cia for step in steps), pages)


class TraceSource(PythonLowering):
    """The source of a trace under construction."""

    def __init__(self, addressing: Address) -> None:
        super().__init__(addressing)
        self._operands: Mapping[Operand, int] = {}
        self._step = Step(0, 0, 0)
        self._count = 0
        self._numbers: Final[list[int]] = []
        self._addresses: Final[list[int]] = []
        self._locals: Final[dict[str, tuple[Cell, int]]] = {}
        self._written: Final[set[str]] = set()

    def append(self, step: Step, operands: Mapping[Operand, int], template: Template) -> None:
        """Append one instruction."""
        self._step, self._operands = step, operands
        self.odd = self._way_out(f"{step.cia}", 0, Stop.ODD)
        self.instruction(template)
        self._count += 1
        self._addresses.append(step.cia)
        self._numbers.extend([self._count - 1] * (len(self.lines) - len(self._numbers)))

    def text(self, head: int, nia: int) -> str:
        """Return the text of the function ``trace``."""
        is_loop = head == nia
        loads = [f"{name} = {slot(*cell)}" for name, cell in self._locals.items()]
        saves = [f"{slot(*self._locals[name])} = {name}" for name in self._written]
        end = f"done += {self._count}" if is_loop else f"cia = {nia}; done = {self._count}; break"
        body = "\n            ".join((*self.lines, end))
        return (
            f"def trace(q, b, ram, code, left):\n"
            f"    {'; '.join((*loads, 'done = stop = 0'))}\n"
            f"    now = {slot(NOW)}; left -= {self._count}\n"
            f"    try:\n"
            f"        while done <= left:\n"
            f"            {body}\n"
            f"        else: cia = {head}\n"
            f"    except OUT_OF_RANGE as fault:\n"
            f"        number = {(*self._numbers,)}[fault.__traceback__.tb_lineno - 6]\n"
            f"        cia = {(*self._addresses,)}[number]; done += number; stop = {Stop.ODD:d}\n"
            f"    {'; '.join((*saves, f'{slot(CIA)} = cia; {slot(NOW)} = now + done'))}\n"
            f"    return stop\n"
        )

    def immediate(self, op: Immediate) -> Atom:
        return self._operands[op.operand] & ones(op.width)

    def cia(self) -> Atom:
        return self._step.cia

    def now(self) -> Atom:
        return f"(now + done + {self._count})"

    def get(self, register: Register) -> Atom:
        if register.cell is GPR and self._index(register) == ZERO_GPR:
            return 0
        return self.place(register)

    def place(self, register: Register) -> str:
        cell, index = register.cell, self._index(register)
        name = f"{cell.name}{index}" if cell.count > 1 else cell.name
        self._locals[name] = (cell, index)
        return name

    def write(self, targets: Mapping[str, Atom]) -> None:
        super().write(targets)
        self._written.update(targets)

    def exit_if(self, op: ExitIf, values: list[Atom]) -> None:
        condition = unusual(values[op.when], values[op.unless])
        self.line(f"if {condition}: {self._way_out(f'{self._step.cia}', 0, op.reason)}")

    def go_on(self) -> None:
        return

    def branch(self, when: Atom, displacement: Atom) -> None:
        if isinstance(when, int):
            return
        assert isinstance(displacement, int)
        taken, other = self._step.cia + displacement & M64, self._step.cia + 4
        if self._step.nia == taken:
            self.line(f"if not {when}: {self._way_out(f'{other}', 1)}")
        else:
            self.line(f"if {when}: {self._way_out(f'{taken}', 1)}")

    def branch_to(self, when: Atom, address: Atom) -> None:
        if isinstance(when, int):
            target = address if when else self._step.cia + 4
        else:
            target = f"{address} if {when} else {self._step.cia + 4}"
        if isinstance(target, str):
            name = self.temporary(target)
            self.line(f"if {name} != {self._step.nia}: {self._way_out(name, 1)}")

    def leave(self, reason: int, address: Atom) -> None:
        raise ValueError(f"exit {reason} at {address} can't be part of a trace")

    def _way_out(self, cia: str, completed: int, stop: int = 0) -> str:
        why = f"stop = {stop:d}; " if stop else ""
        return f"cia = {cia}; done += {self._count + completed}; {why}break"

    def _index(self, register: Register) -> int:
        if register.operand is None:
            return register.element
        return register.element_for(self._operands[register.operand])
