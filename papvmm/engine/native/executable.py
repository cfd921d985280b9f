"""Memory that the host executes: written first, then executable, never both."""

import ctypes
import mmap
from typing import Final

_PROT_READ_EXEC: Final = 5
_PAGE: Final = mmap.PAGESIZE


class Executable:
    """Machine code in memory that nobody can write any more; keep it while it may run."""

    def __init__(self, text: bytes) -> None:
        self.size: Final = -(-len(text) // _PAGE) * _PAGE
        """Bytes of host memory."""
        self._mapping: Final = mmap.mmap(-1, self.size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._mapping[: len(text)] = text
        anchor = ctypes.c_char.from_buffer(self._mapping)
        self.address: Final = ctypes.addressof(anchor)
        self._anchor: Final = anchor
        mprotect = ctypes.CDLL(None, use_errno=True).mprotect
        if mprotect(ctypes.c_void_p(self.address), ctypes.c_size_t(self.size), _PROT_READ_EXEC):
            raise OSError(ctypes.get_errno(), "the host does not execute what was written")
