"""Non-volatile memory, which a guest reads and writes through RTAS: it outlives resets."""

from enum import IntEnum
from struct import Struct
from typing import Final

NVRAM_SIZE: Final = 64 << 10
NVRAM_UNIT: Final = 0x7100_0001
"""Unit address, as in its node's name."""


BLOCK: Final = 16
"""Bytes of a partition's header, and the unit of its length."""

SYSTEM_SIZE: Final = 1024
"""Bytes of the partition with the firmware's variables."""

_HEADER: Final = Struct(">BBH12s")


class Partition(IntEnum):
    """Signatures of partitions (CHRP 8.4, PAPR 8.3)."""

    SYSTEM = 0x70
    FREE = 0x7F


class Nvram:
    """Bytes that a guest keeps; at first an empty system partition, and a free one."""

    def __init__(self) -> None:
        self.content: Final = bytearray(NVRAM_SIZE)
        self._begin(0, Partition.SYSTEM, b"common", SYSTEM_SIZE)
        self._begin(SYSTEM_SIZE, Partition.FREE, b"w" * 12, NVRAM_SIZE - SYSTEM_SIZE)

    def _begin(self, index: int, signature: Partition, name: bytes, length: int) -> None:
        """Write a partition's header, the checksum of which adds up its other bytes."""
        blank = _HEADER.pack(signature, 0, length // BLOCK, name)
        total = 0
        for byte in blank:
            total += byte
            total = (total & 0xFF) + (total >> 8)
        self.store(index, _HEADER.pack(signature, total, length // BLOCK, name))

    def holds(self, index: int, length: int) -> bool:
        """Tell whether there are such bytes."""
        return 0 <= index <= NVRAM_SIZE - length

    def fetch(self, index: int, length: int) -> bytes:
        """Return some of the bytes, which it must hold."""
        return bytes(self.content[index : index + length])

    def store(self, index: int, data: bytes) -> None:
        """Replace some of the bytes, which it must hold."""
        self.content[index : index + len(data)] = data
