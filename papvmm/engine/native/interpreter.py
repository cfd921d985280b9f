"""The interpreter as a whole: building its module, and what is kept of it for the next time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final, TypeAlias

from papvmm.engine.native.dispatch import FUNCTIONS, dispatch
from papvmm.engine.native.handlers import Handler
from papvmm.engine.native.lower import PRELUDE, is_lowered
from papvmm.engine.native.machine_code import MachineCode
from papvmm.engine.native.slots import source
from papvmm.isa.ir import Branch, CompareExchange, Load, Next, Store, Template
from papvmm.isa.spec import INSTRUCTIONS

Body: TypeAlias = tuple[object, ...]
ODD: Final = ("odd", "odd")
_LENGTH: Final = Struct("<Q")


@dataclass(frozen=True, slots=True)
class Handling:
    """What executes a template: names of handlers by byte order, and what fills op records.

    ``near`` handlers are for branches within a page. If ``branches``, the wide slot is the
    displacement of a branch.
    """

    far: Sequence[str]
    near: Sequence[str]
    filler: str
    branches: bool
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Interpreter:
    """The interpreter's code.

    ``variants`` has the number of a handling for every instruction, in the order of its static
    operands, for both privilege states each.
    """

    text: bytes
    offsets: Mapping[str, int]
    handlings: Sequence[Handling]
    variants: Sequence[Sequence[int]]

    def pack(self) -> bytes:
        """Return everything as bytes."""
        handlings = [[h.far, h.near, h.filler, h.branches, h.goes_on] for h in self.handlings]
        table = json.dumps([dict(self.offsets), handlings, self.variants]).encode()
        return _LENGTH.pack(len(table)) + table + self.text


def unpack(content: bytes) -> Interpreter:
    """Return what ``pack`` made bytes of."""
    (length,) = _LENGTH.unpack_from(content)
    start = _LENGTH.size
    offsets, handlings, variants = json.loads(content[start : start + length])
    text = content[start + length :]
    return Interpreter(text, offsets, [Handling(*fields) for fields in handlings], variants)


class InterpreterSource:
    """The text of the interpreter's module, and which handling each instruction has."""

    def __init__(self) -> None:
        self._texts: Final = [PRELUDE, dispatch()]
        self._known: Final[dict[Body, int]] = {}
        self.handlings: Final[list[Handling]] = []
        self.variants: Final = [
            [
                self._number(instruction.template(statics, problem_state=problem_state))
                for statics in instruction.variants()
                for problem_state in (False, True)
            ]
            for instruction in INSTRUCTIONS
        ]

    def text(self) -> str:
        """Return the module."""
        handlers = {name for h in self.handlings for names in (h.far, h.near) for name in names}
        names = [*FUNCTIONS, *sorted(handlers - {*ODD})]
        used = ", ".join(f"ptr @{name}" for name in names)
        kept = f"@llvm.compiler.used = appending global [{len(names)} x ptr] [{used}]"
        return "\n".join((*self._texts, f'{kept}, section "llvm.metadata"\n'))

    def with_code(self, code: MachineCode) -> Interpreter:
        """Return the interpreter, given its module's code."""
        return Interpreter(code.text, code.offsets, self.handlings, self.variants)

    def _number(self, template: Template) -> int:
        """Return the number of a template's handling, which equal templates share."""
        body = (template.ops, template.writes, template.end)
        if body not in self._known:
            self._known[body] = len(self.handlings)
            self.handlings.append(self._handling(template))
        return self._known[body]

    def _handling(self, template: Template) -> Handling:
        if not is_lowered(template):
            return Handling(ODD, ODD, source(template), branches=False, goes_on=False)
        stem = f"op{len(self.handlings)}"
        accesses = any(isinstance(op, Load | Store | CompareExchange) for op in template.ops)
        branches = isinstance(template.end, Branch)
        far = self._add(template, stem)
        little = self._add(template, f"{stem}_le", little_endian=True) if accesses else far
        near = self._add(template, f"{stem}_near", near=True) if branches else None
        return Handling(
            (far, little),
            (near or far, near or little),
            source(template),
            branches,
            isinstance(template.end, Next),
        )

    def _add(
        self, template: Template, name: str, *, little_endian: bool = False, near: bool = False
    ) -> str:
        handler = Handler(little_endian=little_endian, near=near)
        handler.instruction(template)
        self._texts.append(handler.text(name))
        return name
