"""What a Linux in guest RAM says about itself for debuggers: its vmcoreinfo, found by looking.

Linux keeps it, from early in its start on, in a page of its own: lines of ``NAME=value``, up to
4096 bytes (Linux's Documentation/admin-guide/kdump/vmcoreinfo.rst).
"""

import asyncio
import re
from typing import Final

from papvmm.machine.guest import Guest
from papvmm.memory.guest_memory import PAGE

FIRST: Final = b"OSRELEASE="
_TEXT: Final = re.compile(rb"(?:[\x21-\x7e][\x20-\x7e]*\n)+")
AT_ONCE: Final = 16 << 20
"""Bytes of RAM that are looked through between two turns of everybody else: a millisecond."""
_NEEDED: Final = b"\nPAGESIZE="


async def vmcoreinfo(guest: Guest) -> bytes | None:
    """Return the text, or None if there is none; the first one, if kernels have left several."""
    memory = guest.memory
    for window in range(0, memory.size, AT_ONCE):
        await asyncio.sleep(0)
        for start, stop in guest.dirty_pages.populated(window, min(window + AT_ONCE, memory.size)):
            for gpa in range(start, stop, PAGE):
                text = _text(memory.read(gpa, min(PAGE, memory.size - gpa)))
                if text is not None:
                    return text
    return None


def _text(page: bytes) -> bytes | None:
    match = _TEXT.match(page) if page.startswith(FIRST) else None
    return match[0] if match is not None and _NEEDED in match[0] else None
