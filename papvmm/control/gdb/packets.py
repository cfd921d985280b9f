"""Packets of the gdb remote protocol: bytes in, packets out, and back, without any I/O.

A packet is ``$``, what it says, ``#`` and two digits of its checksum. What must not be there as
it is comes after ``}``, with bit 5 inverted; replies may have a byte once and say how often.
Until both sides have agreed to do without, each packet is acknowledged: ``+``, or ``-`` for once
more.
"""

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import Final, TypeAlias

LONGEST: Final = 0x4000
"""Bytes of the longest packet, as it is on its way: what ``PacketSize`` announces."""
INTERRUPT: Final = 3
"""The byte by which a debugger stops a guest that runs."""

_ESCAPED: Final = re.compile(rb"[#$*}]")
_RUN: Final = re.compile(rb"([^#$*}])\1{3,96}")
_UNESCAPED: Final = re.compile(rb"}(.)", re.DOTALL)
_START: Final = re.compile(rb"[$\-\x03]")
_FLIP: Final = 0x20


class Signal(Enum):
    """What comes outside of packets."""

    INTERRUPT = auto()
    AGAIN = auto()
    """The last reply did not arrive well."""
    DAMAGED = auto()
    """A packet's checksum is wrong."""
    TOO_LONG = auto()
    """A packet is longer than ``LONGEST``."""


Item: TypeAlias = bytes | Signal
"""What a packet says, or one of the signals."""


def checksum(body: bytes) -> bytes:
    """Return the two digits after ``#``."""
    return b"%02x" % (sum(body) & 0xFF)


def frame(reply: bytes) -> bytes:
    """Return the packet of a reply, any bytes, as it is sent."""
    body = _RUN.sub(_shortened, _ESCAPED.sub(_escaped, reply))
    return b"$" + body + b"#" + checksum(body)


def _escaped(match: re.Match[bytes]) -> bytes:
    return bytes((ord("}"), match[0][0] ^ _FLIP))


def _shortened(match: re.Match[bytes]) -> bytes:
    """Return a byte and how often it is repeated: never with ``#`` or ``$`` for the count."""
    text = match[0]
    most = len(text) - 1
    repeated = 5 if most in (6, 7) else most
    return text[:1] + b"*" + bytes((repeated + 29,)) + text[: most - repeated]


class Reader:
    """Finds the packets in what a debugger sends; what is between them is skipped."""

    def __init__(self) -> None:
        self.acknowledges = True
        """Whether packets are acknowledged, and those with a wrong checksum not taken."""
        self._buffer: Final = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[Item]:
        """Take bytes, and yield what is complete, in order."""
        self._buffer.extend(data)
        while self._find() and (item := self._next()) is not None:
            yield item

    def _find(self) -> bool:
        """Drop what is not the beginning of anything; tell whether there is a beginning."""
        buffer = self._buffer
        if self._skipping:
            end = buffer.find(b"#")
            self._skipping = end < 0
            del buffer[: end + 1 if end >= 0 else None]
        found = _START.search(buffer)
        del buffer[: found.start() if found else None]
        return found is not None

    def _next(self) -> Item | None:
        """Return what the buffer begins with, or None if its end is to come."""
        first = self._buffer[0]
        if first == ord("$"):
            return self._packet()
        del self._buffer[0]
        return Signal.INTERRUPT if first == INTERRUPT else Signal.AGAIN

    def _packet(self) -> Item | None:
        """Return the packet that the buffer begins with, or None if its end is to come."""
        buffer = self._buffer
        end = buffer.find(b"#")
        if (end if end >= 0 else len(buffer)) > LONGEST + 1:
            self._skipping = True
            return Signal.TOO_LONG
        if end < 0 or len(buffer) < end + 3:
            return None
        body, given = bytes(buffer[1:end]), bytes(buffer[end + 1 : end + 3])
        del buffer[: end + 3]
        if self.acknowledges and given.lower() != checksum(body):
            return Signal.DAMAGED
        return _UNESCAPED.sub(lambda match: bytes((match[1][0] ^ _FLIP,)), body)
