"""Non-volatile memory, which a guest reads and writes through RTAS: it outlives resets."""

from typing import Final

NVRAM_SIZE: Final = 64 << 10
NVRAM_UNIT: Final = 0x7100_0001
"""Unit address, as in its node's name."""


class Nvram:
    """Bytes that a guest keeps; all 0 at first, so that it finds no partition."""

    def __init__(self) -> None:
        self.content: Final = bytearray(NVRAM_SIZE)

    def holds(self, index: int, length: int) -> bool:
        """Tell whether there are such bytes."""
        return 0 <= index <= NVRAM_SIZE - length

    def fetch(self, index: int, length: int) -> bytes:
        """Return some of the bytes, which it must hold."""
        return bytes(self.content[index : index + length])

    def store(self, index: int, data: bytes) -> None:
        """Replace some of the bytes, which it must hold."""
        self.content[index : index + len(data)] = data
