"""Filling op records: the source of functions from an instruction word to its slots."""

from collections.abc import Callable
from functools import cache
from typing import Final, TypeAlias

from papvmm.bits import M64, mask, permute
from papvmm.engine.python.lower import expression
from papvmm.isa.binding import plan
from papvmm.isa.decode import extraction
from papvmm.isa.ir import Const, Immediate, Pure, Template
from papvmm.isa.operands import Kind, Register
from papvmm.isa.state import ZERO_GPR

Filler: TypeAlias = Callable[[int], tuple[int, int, int, int, int]]
"""Computes the wide slot and the small ones of an instruction word."""

SMALL_SLOTS: Final = 4


def source(template: Template) -> str:
    """Return the source of a template's filler."""
    slots = plan(template)
    known: dict[int, str] = {}
    for number, op in enumerate(template.ops):
        match op:
            case Const(_, value):
                known[number] = str(value)
            case Immediate(_, operand):
                known[number] = f"({extraction(operand)} & {M64})"
            case Pure(_, _, args) if all(ref in known for ref in args):
                known[number] = f"({expression(op, [known[ref] for ref in args])})"
            case _:
                continue
    small = [_small(slot, known) for slot in slots.small]
    wide = "0" if slots.wide is None else known[slots.wide]
    return ", ".join((wide, *small, *("0" for _ in range(SMALL_SLOTS - len(small)))))


@cache
def filler(source: str) -> Filler:
    """Compile a filler."""
    fill: Filler = eval(f"lambda word: ({source})", {"mask": mask, "permute": permute})
    return fill


def _small(slot: Register | int, known: dict[int, str]) -> str:
    if isinstance(slot, int):
        return known[slot]
    assert slot.operand is not None
    index = extraction(slot.operand)
    if slot.operand.kind is Kind.GPR_OR_ZERO:
        index = f"({index} or {ZERO_GPR})"
    scale = slot.cell.size * slot.operand.stride
    return f"({slot.cell.offset} + {index} * {scale})"
