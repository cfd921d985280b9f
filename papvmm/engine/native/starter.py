"""What a starter is made for: the instructions of the pages that code runs in at first.

The words of whole pages stand for what the code will come to: those around where it is, and
some farther away, as a kernel soon goes there. Data among them do no harm.
"""

from struct import Struct, pack
from typing import Final

from papvmm.engine.native import layout
from papvmm.memory.guest_memory import PAGE, GuestMemory

AROUND: Final = 8
"""Pages before and after the one that code runs in."""
FAR: Final = 64
"""Pages farther away."""
APART: Final = 32
"""Every so many pages there is one of them, as many before as after where code runs."""
USUAL: Final = (
    *(0x4000_0000 | bo << 21 for bo in (0, 2, 8, 10, 16, 18)),  # bc that decrement CTR
    0x4400_0002, 0x4400_0022, 0x4C00_0024, 0x4C00_012C,  # sc, sc 1, rfid, isync
    *(0x7C00_0000 | xo << 1 for xo in (54, 86, 246, 278, 982, 1014)),  # dcb*, icbi
)  # fmt: skip
"""Words that kernels execute often, and have in few places."""
EVERYTHING: Final = b""
"""The request for handlers of all instructions."""
PART: Final = Struct("<II")
"""A mode, and how many instruction words follow."""
_WORD: Final = {False: Struct(">I"), True: Struct("<I")}


def part(memory: GuestMemory, ra: int, mode: int) -> bytes:
    """Return the part of a request that asks for what the code at an address needs."""
    here = ra & layout.PAGE_MASK
    far = FAR // 2 * APART
    pages = {*range(-AROUND, AROUND + 1), *range(-far, far + 1, APART)}
    places = (here + number * PAGE for number in sorted(pages))
    code = b"".join(memory.read(page, PAGE) for page in places if memory.holds(page, PAGE))
    unpack = _WORD[layout.is_little_endian(mode)].iter_unpack
    words = sorted({*USUAL, *(word for (word,) in unpack(code))})
    return PART.pack(mode, len(words)) + pack(f"<{len(words)}I", *words)
