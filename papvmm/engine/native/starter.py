"""What a starter is made for: the instructions of the pages that code runs in at first.

The words of whole pages stand for what the code will come to. Data among them do no harm.
"""

from struct import Struct, pack
from typing import Final

from papvmm.engine.native import layout
from papvmm.memory.guest_memory import PAGE, GuestMemory

AROUND: Final = 8
"""Pages before and after the one that code runs in."""
PART: Final = Struct("<II")
"""A mode, and how many instruction words follow."""
_WORD: Final = {False: Struct(">I"), True: Struct("<I")}


def part(memory: GuestMemory, ra: int, mode: int) -> bytes:
    """Return the part of a request that asks for what the code at an address needs."""
    here = ra & layout.PAGE_MASK
    first, end = max(here - AROUND * PAGE, 0), min(here + (AROUND + 1) * PAGE, memory.size)
    code = memory.read(first, (end - first) & ~3)
    unpack = _WORD[layout.is_little_endian(mode)].iter_unpack
    words = sorted({word for (word,) in unpack(code)})
    return PART.pack(mode, len(words)) + pack(f"<{len(words)}I", *words)
