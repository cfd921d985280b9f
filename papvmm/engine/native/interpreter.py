"""The interpreter as a whole: the text of its module, with the tables its decoder reads."""

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Final, TypeAlias

from papvmm.engine.native import layout
from papvmm.engine.native.choices import Handled, tables
from papvmm.engine.native.decoding import Row, decoder
from papvmm.engine.native.dispatch import FUNCTIONS, dispatch
from papvmm.engine.native.handlers import Handler
from papvmm.engine.native.lower import PRELUDE, is_lowered
from papvmm.engine.native.slots import Fillers
from papvmm.engine.native.variants import Variant
from papvmm.isa.decode import decode
from papvmm.isa.ir import Branch, CompareExchange, Load, Next, Store, Template
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.versions import EVERY_VERSION, usual_version

Body: TypeAlias = tuple[object, ...]
NO_OPERANDS: Final = Template("", (), (), Next())
ODD: Final = ("odd", "odd")
MISSING: Final = ("missing", "missing")
_PRIVILEGED: Final = (0, 1)
_PROBLEM: Final = (2, 3)
"""Modes, big-endian and little-endian."""


class InterpreterSource:
    """The text of the interpreter's module, and which handling each instruction has.

    It is a starter if it is told which variants are needed, in which modes. Handling 0 leaves
    an instruction to the stepper or, in a starter, to the Python engine.
    """

    def __init__(self, needed: Mapping[int, Collection[Variant]] | None = None) -> None:
        self._texts: Final = [PRELUDE, dispatch()]
        self._known: Final[dict[tuple[Body, int], int]] = {}
        self._fillers: Final = Fillers()
        self._needed: Final = _everything() if needed is None else needed
        others = ODD if needed is None else MISSING
        nothing = self._fillers.name(NO_OPERANDS)
        self.handlings: Final = [Row(others, others, nothing, EVERY_VERSION)]
        self.variants: Final[Mapping[Variant, Handled]] = {
            variant: (self._number(variant, _PRIVILEGED), self._number(variant, _PROBLEM))
            for variant in dict.fromkeys(chain.from_iterable(self._needed.values()))
        }

    def text(self) -> str:
        """Return the module."""
        used = ", ".join(f"ptr @{name}" for name in FUNCTIONS)
        kept = f"@llvm.compiler.used = appending global [{len(FUNCTIONS)} x ptr] [{used}]"
        instructions = {instruction for instruction, _ in self.variants}
        decoding = decoder(self.handlings, tables(instructions, self.handled))
        parts = (*self._texts, self._fillers.text(), decoding)
        return "\n".join((*parts, f'{kept}, section "llvm.metadata"\n'))

    def handled(self, word: int) -> Handled:
        """Return the numbers of what handles a word, in privileged and in problem state."""
        decoded = decode(word)
        if decoded is None:
            return 0, 0
        return self.variants.get((decoded.instruction, decoded.statics), (0, 0))

    def _number(self, variant: Variant, modes: tuple[int, int]) -> int:
        """Return the number of a template's handling, which equal templates share."""
        if not any(variant in self._needed.get(mode, ()) for mode in modes):
            return 0
        instruction, statics = variant
        problem_state = layout.is_problem_state(modes[0])
        isa = usual_version(instruction.versions)
        template = instruction.template(statics, problem_state=problem_state, isa=isa)
        if not is_lowered(template):
            return 0
        versions = instruction.versions_like(statics, problem_state=problem_state, isa=isa)
        body = (template.ops, template.writes, template.end)
        if (body, versions) not in self._known:
            self._known[body, versions] = len(self.handlings)
            self.handlings.append(self._handling(template, versions))
        return self._known[body, versions]

    def _handling(self, template: Template, versions: int) -> Row:
        stem = f"op{len(self.handlings)}"
        accesses = any(isinstance(op, Load | Store | CompareExchange) for op in template.ops)
        if accesses:
            big, little = (self._add_for(template, stem, mode) for mode in _PRIVILEGED)
        else:
            big = little = self._add(template, stem)
        far = near = big, little
        if isinstance(template.end, Branch):
            near = (self._add(template, f"{stem}_near", near=True),) * 2
        return Row(far, near, self._fillers.name(template), versions)

    def _add_for(self, template: Template, stem: str, mode: int) -> str:
        """Append the handler for a byte order, if that is needed."""
        little_endian = layout.is_little_endian(mode)
        if all(layout.is_little_endian(needed) != little_endian for needed in self._needed):
            return MISSING[0]
        name = f"{stem}_le" if little_endian else stem
        return self._add(template, name, little_endian=little_endian)

    def _add(
        self, template: Template, name: str, *, little_endian: bool = False, near: bool = False
    ) -> str:
        handler = Handler(little_endian=little_endian, near=near)
        handler.instruction(template)
        self._texts.append(handler.text(name))
        return name


def _everything() -> Mapping[int, Collection[Variant]]:
    variants = {(one, statics): None for one in INSTRUCTIONS for statics in one.variants()}
    return dict.fromkeys(range(layout.REAL_MODES), variants)
