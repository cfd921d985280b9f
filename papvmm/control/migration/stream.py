"""What goes from one machine to the other, as records in a checksummed stream of bytes.

The stream begins with ``MAGIC`` and the version. A record is its kind (1 byte), the length of
its payload (4) and a number (8), big-endian, then the payload, then the CRC-32 of the whole
stream up to there (4): a record that was changed, left out or moved is noticed.

The order is: the configuration, the images of later resets, pages of RAM (any number of times,
the last counts), the hashed page table, the state, and ``READY``. The other side, if it can
answer, then says ``LOADED``, is told ``GO`` and says ``RUNS``. It runs the guest only after
``GO``, and once ``GO`` is on its way the guest never runs again where it came from.
"""

import zlib
from collections.abc import Callable, Iterable
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from papvmm.errors import BadInput

MAGIC: Final = b"papvmm\r\n"
VERSION: Final = 1
"""Changes with every change of what is in a stream."""
LONGEST: Final = 16 << 20
"""Bytes of the longest payload: a state's."""

LOADED: Final = b"loaded\n"
RUNS: Final = b"runs!!\n"
"""Answers, of the same length."""

_HEADER: Final = Struct(">BIQ")
_WORD: Final = Struct(">I")


class Kind(IntEnum):
    """What a record is; the number that goes with it."""

    CONFIGURATION = 1
    """JSON."""
    IMAGE = 2
    """Bytes of an image; which one of those that the configuration lists."""
    PAGES = 3
    """RAM; the gpa."""
    ZEROS = 4
    """A length: RAM of zeros; the gpa."""
    TABLE = 5
    """Bytes of the hashed page table, zeros but for these; where in it."""
    STATE = 6
    """JSON: everything else."""
    READY = 7
    """That is all."""
    GO = 8
    """The guest is yours."""


class Record(NamedTuple):
    """One piece of a guest."""

    kind: Kind
    number: int = 0
    payload: bytes = b""


def zeros_length(payload: bytes) -> int:
    """Return the number that is a payload of ``ZEROS``; BadInput if it is none."""
    if len(payload) != _WORD.size:
        raise BadInput("a length in the stream is none")
    (number,) = _WORD.unpack(payload)
    return int(number)


def zeros(gpa: int, size: int) -> Record:
    """Return a record of zeros, less than 4 GiB of them."""
    return Record(Kind.ZEROS, gpa, _WORD.pack(size))


class Writer:
    """Turns records into a stream; ``send`` takes the bytes."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.sent = 0
        """Bytes that went out."""
        self._send: Final = send
        self._crc = 0

    def begin(self) -> None:
        """Send what comes before all records."""
        self._put(MAGIC + _WORD.pack(VERSION))

    def write(self, records: Iterable[Record]) -> None:
        """Send records."""
        for kind, number, payload in records:
            self._put(_HEADER.pack(kind, len(payload), number) + payload)
            self._send(_WORD.pack(self._crc))
            self.sent += _WORD.size

    def _put(self, data: bytes) -> None:
        self._crc = zlib.crc32(data, self._crc)
        self._send(data)
        self.sent += len(data)


class Reader:
    """Turns a stream into records; ``receive`` returns as many bytes as it is asked for.

    BadInput for what is no such stream.
    """

    def __init__(self, receive: Callable[[int], bytes]) -> None:
        self._receive: Final = receive
        self._crc = 0

    def begin(self) -> None:
        """Read what comes before all records."""
        if self._get(len(MAGIC)) != MAGIC:
            raise BadInput("what comes is no guest of papvmm")
        (version,) = _WORD.unpack(self._get(_WORD.size))
        if version != VERSION:
            raise BadInput(
                f"what comes is a stream of version {version}; this papvmm reads version {VERSION}"
            )

    def read(self) -> Record:
        """Return the next record."""
        kind, size, number = _HEADER.unpack(self._get(_HEADER.size))
        if size > LONGEST or kind not in Kind.__members__.values():
            raise BadInput("the stream is damaged: what comes is no record")
        payload = self._get(size)
        if _WORD.unpack(self._receive(_WORD.size)) != (self._crc,):
            raise BadInput("the stream is damaged: a checksum differs")
        return Record(Kind(kind), number, payload)

    def _get(self, size: int) -> bytes:
        data = self._receive(size)
        self._crc = zlib.crc32(data, self._crc)
        return data
