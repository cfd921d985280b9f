"""Random instruction words, whose operands mostly make sense."""

from collections.abc import Callable, Iterable
from functools import cache
from random import Random
from typing import Final, NamedTuple

from papvmm.bits import ones
from papvmm.isa.instruction import Instruction, Privilege
from papvmm.isa.ir import CompareExchange, ExitIf, Leave, Load, Next, Store, Template
from papvmm.isa.operands import SPR, Kind, Operand
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.sprs import SPRS

TARGETS: Final = range(4, 19)
"""The GPRs that hold results."""
POINTERS: Final = (1, 2, 3, 21, 22)
"""Those that hold addresses of storage; 22 is one of storage's ends."""
INDEX: Final = 20
DISPLACEMENTS: Final = {"D": 0, "DS": 2, "DQ": 4}
NEAR: Final = 48
ODDLY: Final = 0.04
"""How often an operand is just any number."""


class Shape(NamedTuple):
    """An instruction with its static operands, and the operands that it writes."""

    instruction: Instruction
    statics: tuple[int, ...]
    written: frozenset[Operand]
    accesses: bool

    def word(self, random: Random) -> int:
        """Return a word of it; reserved bits are sometimes set."""
        form = self.instruction.form
        word, owned = form.match, form.mask
        for operand, value in zip(self.instruction.statics, self.statics, strict=True):
            word |= operand.encode(value)
            owned |= field_mask(operand)
        for operand in self.instruction.operands:
            word |= operand.encode(self._number(operand, random) << operand.scale)
            owned |= field_mask(operand)
        return word | random.getrandbits(32) & ~owned if random.random() < ODDLY else word

    def _number(self, operand: Operand, random: Random) -> int:
        """Choose what an operand's field holds."""
        low = -(1 << operand.width - 1) if operand.is_signed else 0
        number = random.randrange(low, low + (1 << operand.width))
        if random.random() < ODDLY:
            return number
        match operand.kind:
            case Kind.GPR | Kind.GPR_OR_ZERO if operand.name in ("RTp", "RSp"):
                return random.randrange(2, 8)
            case Kind.GPR | Kind.GPR_OR_ZERO if self.accesses and operand.name == "RA":
                return random.choice(POINTERS)
            case Kind.GPR | Kind.GPR_OR_ZERO if self.accesses and operand.name == "RB":
                return INDEX
            case Kind.GPR | Kind.GPR_OR_ZERO if operand in self.written:
                return random.choice(TARGETS)
            case Kind.IMMEDIATE if self.accesses and operand.name in DISPLACEMENTS:
                return random.randint(-NEAR, NEAR) >> DISPLACEMENTS[operand.name]
            case _:
                return number


@cache
def field_mask(operand: Operand) -> int:
    """Return the bits of the instruction word that an operand takes."""
    return sum(ones(last - first + 1) << 31 - last for first, last in operand.bits)


@cache
def shapes(instruction: Instruction) -> tuple[Shape, ...]:
    """Return an instruction with each choice of static operands that means something."""
    if SPR in instruction.statics:
        variants: Iterable[tuple[int, ...]] = ((spr,) for spr in sorted(SPRS))
    else:
        variants = instruction.variants()
    return tuple(_shape(instruction, statics) for statics in variants)


def _shape(instruction: Instruction, statics: tuple[int, ...]) -> Shape:
    template = instruction.template(statics)
    written = frozenset(
        register.operand for register, _ in template.writes if register.operand is not None
    )
    named = {operand.name for operand in instruction.operands}
    accesses = bool(named & DISPLACEMENTS.keys()) or any(
        isinstance(op, Load | Store | CompareExchange) for op in template.ops
    )
    if instruction.helper is not None:
        accesses, written = True, frozenset(instruction.operands[:1])
    return Shape(instruction, statics, written, accesses)


def a_word(random: Random, instructions: list[Instruction]) -> int:
    """Return a word of one of some instructions."""
    return random.choice(shapes(random.choice(instructions))).word(random)


def _goes_on(template: Template) -> bool:
    return template.end == Next()


def _may_stop(template: Template) -> bool:
    return any(isinstance(op, ExitIf) for op in template.ops)


def _some(wanted: Callable[[Instruction, Shape], bool]) -> list[Instruction]:
    return [one for one in INSTRUCTIONS if wanted(one, shapes(one)[0])]


def _template(shape: Shape) -> Template:
    return shape.instruction.template(shape.statics)


USUAL: Final = _some(lambda one, _: one.privilege is Privilege.NONE)
STORAGE: Final = _some(
    lambda one, shape: (
        one.privilege is Privilege.NONE
        and shape.accesses
        and (_goes_on(_template(shape)) or one.helper is not None)
    )
)
PURE: Final = _some(
    lambda one, shape: (
        one.privilege is Privilege.NONE
        and not shape.accesses
        and _goes_on(_template(shape))
        and one.unit is None
        and not _may_stop(_template(shape))
    )
)
OF_UNITS: Final = _some(
    lambda one, shape: (
        one.privilege is Privilege.NONE
        and one.unit is not None
        and not isinstance(_template(shape).end, Leave)
    )
)
