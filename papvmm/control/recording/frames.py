"""The log of a recording: frames one after the other, each with its length and its checksum.

Whatever ends the process that writes it, the log can be read up to its last whole frame. A frame
is the length of its payload (4 bytes, big-endian), its kind (1), the CRC-32 of kind and payload
(4), and the payload. Numbers in payloads have 7 bits a byte, the lowest first, and bit 7 set in
all but the last.
"""

import zlib
from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct
from typing import Final

from papvmm.errors import BadInput

MAGIC: Final = b"papvmm recording 1\n"
_HEAD: Final = Struct(">IBI")
LONGEST: Final = 1 << 28
"""Bytes of a payload."""
_LONGEST_NUMBER: Final = 10
"""Bytes of 64 bits."""


class Kind(IntEnum):
    """What a frame tells."""

    INPUT = 1
    """Something reached the guest from outside."""
    CALLS = 2
    """Hypercalls that the guest made since the frame of this kind before."""
    MARK = 3
    """What the guest's state was at a moment."""
    END = 4
    """The run has ended."""


def frame(kind: Kind, payload: bytes) -> bytes:
    """Return a frame."""
    return _HEAD.pack(len(payload), kind, zlib.crc32(payload, kind)) + payload


def frames(log: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Yield the whole frames of a log, the last of which may be missing; BadInput for damage."""
    if log[: len(MAGIC)] != MAGIC[: len(log)]:
        raise BadInput("log is damaged: it does not begin like one")
    at = len(MAGIC)
    while len(log) - at >= _HEAD.size:
        length, kind, checksum = _HEAD.unpack_from(log, at)
        if length > LONGEST or kind not in Kind.__members__.values():
            raise BadInput(f"log is damaged at byte {at:,}")
        payload = log[at + _HEAD.size : at + _HEAD.size + length]
        if len(payload) < length:
            return
        if zlib.crc32(payload, kind) != checksum:
            raise BadInput(f"log is damaged at byte {at:,}: a checksum differs")
        yield Kind(kind), payload
        at += _HEAD.size + length


class Payload:
    """Writes a payload."""

    def __init__(self) -> None:
        self._bytes: Final = bytearray()

    def __bytes__(self) -> bytes:
        return bytes(self._bytes)

    def number(self, value: int) -> None:
        """Add a number, 0 or more."""
        while value > 0x7F:
            self._bytes.append(value & 0x7F | 0x80)
            value >>= 7
        self._bytes.append(value)

    def numbers(self, values: Sequence[int]) -> None:
        """Add how many there are, and the numbers."""
        self.number(len(values))
        for value in values:
            self.number(value)

    def data(self, data: bytes) -> None:
        """Add how many there are, and the bytes."""
        self.number(len(data))
        self._bytes.extend(data)

    def text(self, text: str) -> None:
        """Add text."""
        self.data(text.encode())


class Fields:
    """Reads a payload, field by field; BadInput where it is not what it should be."""

    def __init__(self, payload: bytes) -> None:
        self._payload: Final = payload
        self._at = 0

    def number(self, most: int) -> int:
        """Take a number, ``most`` at most."""
        value = 0
        for index in range(_LONGEST_NUMBER):
            if self._at == len(self._payload):
                break
            byte = self._payload[self._at]
            self._at += 1
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80 and value <= most:
                return value
        raise BadInput("log is damaged: a frame has a number that can't be")

    def numbers(self, most: int) -> tuple[int, ...]:
        """Take so many numbers as it says."""
        return tuple(self.number(most) for _ in range(self.number(len(self._payload))))

    def data(self) -> bytes:
        """Take bytes."""
        length = self.number(len(self._payload) - self._at)
        data = self._payload[self._at : self._at + length]
        if len(data) < length:
            raise BadInput("log is damaged: a frame is too short")
        self._at += length
        return data

    def text(self) -> str:
        """Take text."""
        try:
            return self.data().decode()
        except UnicodeDecodeError:
            raise BadInput("log is damaged: a text is no text") from None

    def done(self) -> None:
        """Refuse what is left."""
        if self._at != len(self._payload):
            raise BadInput("log is damaged: a frame is too long")
