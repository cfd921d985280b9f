"""What a starter is made for: the instructions of the pages that code runs in at first.

The words of whole pages stand for what the code will come to. Data among them do no harm.
"""

from collections import Counter
from collections.abc import Iterator, Set
from struct import Struct, pack, unpack_from
from typing import Final, TypeAlias

from papvmm.engine.native import layout
from papvmm.isa.decode import decode
from papvmm.isa.instruction import Instruction
from papvmm.memory.guest_memory import PAGE, GuestMemory

Variant: TypeAlias = tuple[Instruction, tuple[int, ...]]
"""An instruction and its static operands."""

AROUND: Final = 8
"""Pages before and after the one that code runs in."""
MOST: Final = 256
"""Variants that a starter has handlers for, in each mode."""
_PART: Final = Struct("<II")
"""A mode, and how many instruction words follow."""
_WORD: Final = {False: Struct(">I"), True: Struct("<I")}


def part(memory: GuestMemory, ra: int, mode: int) -> bytes:
    """Return the part of a request that asks for what the code at an address needs."""
    here = ra & layout.PAGE_MASK
    first, end = max(here - AROUND * PAGE, 0), min(here + (AROUND + 1) * PAGE, memory.size)
    code = memory.read(first, (end - first) & ~3)
    unpack = _WORD[layout.is_little_endian(mode)].iter_unpack
    words = sorted({word for (word,) in unpack(code)})
    return _PART.pack(mode, len(words)) + pack(f"<{len(words)}I", *words)


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
        mode, count = _PART.unpack_from(request, start)
        start += _PART.size
        yield mode, unpack_from(f"<{count}I", request, start)
        start += 4 * count
