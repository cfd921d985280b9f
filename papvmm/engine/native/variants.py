"""Which variants of instructions a starter has handlers for: the compiler's side of ``starter``."""

from collections import Counter
from collections.abc import Iterator, Set
from struct import unpack_from
from typing import Final, TypeAlias

from papvmm.engine.native.starter import PART
from papvmm.isa.decode import decode
from papvmm.isa.instruction import Instruction

Variant: TypeAlias = tuple[Instruction, tuple[int, ...]]
"""An instruction and its static operands."""
MOST: Final = 320
"""Variants that a starter has handlers for, in each mode."""


def needed(request: bytes) -> dict[int, Set[Variant]]:
    """Return the variants that a request, which is some parts, asks for in each mode."""
    counts: dict[int, Counter[Variant]] = {}
    for mode, words in _parts(request):
        decoded = filter(None, map(decode, words))
        variants = ((one.instruction, one.statics) for one in decoded)
        counts.setdefault(mode, Counter()).update(variants)
    return {mode: {one for one, _ in c.most_common(MOST)} for mode, c in counts.items()}


def _parts(request: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    start = 0
    while start < len(request):
        mode, count = PART.unpack_from(request, start)
        start += PART.size
        yield mode, unpack_from(f"<{count}I", request, start)
        start += 4 * count
