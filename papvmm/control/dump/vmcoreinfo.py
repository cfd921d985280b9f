"""What a Linux in guest RAM says about itself for debuggers: its vmcoreinfo, found by looking.

Linux keeps it, from early in its start on, in a page of its own: lines of ``NAME=value``, up to
4096 bytes (Linux's Documentation/admin-guide/kdump/vmcoreinfo.rst).
"""

import asyncio
import re
from typing import Final

from papvmm.memory.guest_memory import PAGE, GuestMemory

FIRST: Final = b"OSRELEASE="
_TEXT: Final = re.compile(rb"(?:[\x21-\x7e][\x20-\x7e]*\n)+")
AT_ONCE: Final = 16 << 20
"""Bytes of RAM that are looked through between two turns of everybody else: a millisecond."""
_NEEDED: Final = b"\nPAGESIZE="


async def vmcoreinfo(memory: GuestMemory) -> bytes | None:
    """Return the text, or None if there is none; the first one, if kernels have left several."""
    ram, length = memory.ram, len(FIRST)
    for gpa in range(0, memory.size - PAGE + 1, PAGE):
        if gpa % AT_ONCE == 0:
            await asyncio.sleep(0)
        if ram[gpa : gpa + length].tobytes() == FIRST:
            text = _TEXT.match(memory.read(gpa, PAGE))
            if text is not None and _NEEDED in text[0]:
                return text[0]
    return None
