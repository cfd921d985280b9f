"""The interpreter as a whole: the text of its module, with the tables its decoder reads."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from papvmm.engine.native.choices import Handled, tables
from papvmm.engine.native.decoding import Row, decoder
from papvmm.engine.native.dispatch import FUNCTIONS, dispatch
from papvmm.engine.native.handlers import Handler
from papvmm.engine.native.lower import PRELUDE, is_lowered
from papvmm.engine.native.slots import Fillers
from papvmm.isa.decode import decode
from papvmm.isa.instruction import Instruction
from papvmm.isa.ir import Branch, CompareExchange, Load, Next, Store, Template
from papvmm.isa.spec import INSTRUCTIONS

Body: TypeAlias = tuple[object, ...]
Variant: TypeAlias = tuple[Instruction, tuple[int, ...]]
NO_OPERANDS: Final = Template("", (), (), Next())
ODD: Final = ("odd", "odd")


class InterpreterSource:
    """The text of the interpreter's module, and which handling each instruction has.

    Handling 0 leaves an instruction to the stepper.
    """

    def __init__(self) -> None:
        self._texts: Final = [PRELUDE, dispatch()]
        self._known: Final[dict[Body, int]] = {}
        self._fillers: Final = Fillers()
        self._odd: Final = Row(ODD, ODD, self._fillers.name(NO_OPERANDS))
        self.handlings: Final = [self._odd]
        self.variants: Final[Mapping[Variant, Handled]] = {
            (instruction, statics): (
                self._number(instruction.template(statics)),
                self._number(instruction.template(statics, problem_state=True)),
            )
            for instruction in INSTRUCTIONS
            for statics in instruction.variants()
        }

    def text(self) -> str:
        """Return the module."""
        used = ", ".join(f"ptr @{name}" for name in FUNCTIONS)
        kept = f"@llvm.compiler.used = appending global [{len(FUNCTIONS)} x ptr] [{used}]"
        decoding = decoder(self.handlings, tables(self.handled))
        parts = (*self._texts, self._fillers.text(), decoding)
        return "\n".join((*parts, f'{kept}, section "llvm.metadata"\n'))

    def handled(self, word: int) -> Handled:
        """Return the numbers of what handles a word, in privileged and in problem state."""
        decoded = decode(word)
        return (0, 0) if decoded is None else self.variants[decoded.instruction, decoded.statics]

    def _number(self, template: Template) -> int:
        """Return the number of a template's handling, which equal templates share."""
        if not is_lowered(template):
            return 0
        body = (template.ops, template.writes, template.end)
        if body not in self._known:
            self._known[body] = len(self.handlings)
            self.handlings.append(self._handling(template))
        return self._known[body]

    def _handling(self, template: Template) -> Row:
        stem = f"op{len(self.handlings)}"
        accesses = any(isinstance(op, Load | Store | CompareExchange) for op in template.ops)
        far = self._add(template, stem)
        little = self._add(template, f"{stem}_le", little_endian=True) if accesses else far
        near = far
        if isinstance(template.end, Branch):
            near = self._add(template, f"{stem}_near", near=True)
        return Row((far, little), (near, near), self._fillers.name(template))

    def _add(
        self, template: Template, name: str, *, little_endian: bool = False, near: bool = False
    ) -> str:
        handler = Handler(little_endian=little_endian, near=near)
        handler.instruction(template)
        self._texts.append(handler.text(name))
        return name
