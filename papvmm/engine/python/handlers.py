"""Cold code: one Python function per template, its operands left open.

Compiling costs more than a hundred calls, so a template is compiled once in the life of the
process, and what a word's operand fields determine is computed once per word.
"""

import re
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple, TypeAlias

from papvmm.bits import ones
from papvmm.engine.lowering import Atom
from papvmm.engine.python.access import Address, Code, Data, namespace
from papvmm.engine.python.lower import PythonLowering, expression, slot, unusual
from papvmm.engine.stops import Stop
from papvmm.engine.storage import GuestStorage
from papvmm.isa.decode import Decoded
from papvmm.isa.ir import ExitIf, Immediate, Pure, Template
from papvmm.isa.operands import Kind, Operand, Register
from papvmm.isa.state import CIA, ZERO_GPR

Args: TypeAlias = tuple[int, ...]
Handler: TypeAlias = Callable[
    [memoryview, memoryview, Data | GuestStorage, Code, int, int, Args], int | None
]
"""Executes one instruction, given the state as doublewords and as bytes, RAM or storage, the
code map, CIA, virtual time and the word's arguments.

Returns None to go on to the next instruction, the address of the instruction to go to, or the
negative of a stop reason; CIA is up to date in the state only if the instruction that stops
completes."""


Binder: TypeAlias = Callable[..., Args]
"""Computes the arguments from the numbers in the operand fields, by their names."""


class Operation(NamedTuple):
    """An instruction word, ready to execute."""

    handler: Handler
    args: Args


def operation(
    decoded: Decoded, template: Template, *, addressing: Address, little_endian: bool
) -> Operation:
    """Prepare a word for direct access to RAM or its pages."""
    bind, handler = _direct(template, addressing, little_endian)
    return Operation(handler, bind(**_fields(decoded)))


def careful_operation(decoded: Decoded, template: Template) -> Operation:
    """Prepare a word for access through ``GuestStorage``."""
    bind, handler = _careful(template)
    return Operation(handler, bind(**_fields(decoded)))


def _fields(decoded: Decoded) -> dict[str, int]:
    return {operand.name: number for operand, number in decoded.operands.items()}


@cache
def _direct(
    template: Template,
    addressing: Address,
    little_endian: bool,  # noqa: FBT001
) -> tuple[Binder, Handler]:
    return _compiled(template, HandlerSource(addressing), little_endian=little_endian)


@cache
def _careful(template: Template) -> tuple[Binder, Handler]:
    return _compiled(template, HandlerSource(Address.CAREFUL), little_endian=False)


def _compiled(
    template: Template, source: "HandlerSource", *, little_endian: bool
) -> tuple[Binder, Handler]:
    source.instruction(template)
    made: dict[str, Callable[..., object]] = {}
    exec(source.text(), namespace(little_endian=little_endian), made)
    return made["bind"], made["handler"]  # type: ignore[return-value]


class HandlerSource(PythonLowering):
    """The source of a template's functions ``bind`` and ``handler``.

    Early values, which the operand fields determine, are computed by ``bind``.
    """

    odd = f"return {-Stop.ODD}"

    def __init__(self, addressing: Address) -> None:
        super().__init__(addressing)
        self._early: Final[dict[str, str]] = {}

    def text(self) -> str:
        """Return the text of both functions."""
        body = "\n    ".join(self.lines)
        args = [name for name in self._early if re.search(rf"\b{name}\b", body)]
        computed = "; ".join(f"{name} = {source}" for name, source in self._early.items())
        return (
            f"def bind(**fields):\n"
            f"    {computed or 'pass'}\n"
            f"    return ({''.join(f'{name}, ' for name in args)})\n"
            f"def handler(q, b, ram, code, cia, now, args):\n"
            f"    {''.join(f'{name}, ' for name in args)}{'= args' if args else 'pass'}\n"
            f"    {body}\n"
        )

    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        if all(isinstance(arg, int) or arg in self._early for arg in args):
            return self._early_value(expression(op, args))
        return super().pure(op, args)

    def immediate(self, op: Immediate) -> Atom:
        return self._early_value(f"fields['{op.operand.name}'] & {ones(op.width)}")

    def cia(self) -> Atom:
        return "cia"

    def now(self) -> Atom:
        return "now"

    def exit_if(self, op: ExitIf, values: list[Atom]) -> None:
        self.line(f"if {unusual(values[op.when], values[op.unless])}: return {-op.reason}")

    def place(self, register: Register) -> str:
        if register.operand is None:
            return slot(register.cell, register.element)
        number = f"fields['{register.operand.name}']"
        first = register.cell.offset // register.cell.size
        element = _element(register.operand, number, register.element)
        index = self._early_value(f"{element} + {first}")
        return f"{'q' if register.cell.size == 8 else 'b'}[{index}]"

    def go_on(self) -> None:
        return

    def branch(self, when: Atom, displacement: Atom) -> None:
        self.branch_to(when, f"cia + {displacement} & {ones(64)}")

    def branch_to(self, when: Atom, address: Atom) -> None:
        self.line(f"return {address} if {when} else cia + 4")

    def leave(self, reason: int, address: Atom) -> None:
        self.line(f"{slot(CIA)} = {address}; return {-reason}")

    def _early_value(self, source: str) -> str:
        for name, known in self._early.items():
            if known == source:
                return name
        name = f"e{len(self._early)}"
        self._early[name] = source
        return name


def _element(operand: Operand, number: str, beside: int) -> str:
    match operand.kind:
        case Kind.GPR_OR_ZERO:
            return f"({number} or {ZERO_GPR})"
        case Kind.GPR if beside:
            return f"({number} + {beside}) % {ZERO_GPR}"
        case _:
            return f"{operand.stride} * {number} + {beside}"
