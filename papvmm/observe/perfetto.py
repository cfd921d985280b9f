"""Perfetto's TrackEvent format, written packet by packet: tracks, slices, instants, counters.

A file is a protobuf message ``Trace``, which is nothing but its packets one after the other; so
a file that ends after any packet is whole. Names are written once and referred to by number.
Field numbers are those of Perfetto's ``trace_packet.proto`` and ``track_event.proto``.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple, TypeAlias

from papvmm.bits import M64

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
"""Wire types of protobuf."""

_PACKET: Final = 1
_TIMESTAMP, _SEQUENCE, _EVENT, _INTERNED, _FLAGS, _DESCRIPTOR = 8, 10, 11, 12, 13, 60
"""Fields of TracePacket."""
_ANNOTATION, _TYPE, _NAME_ID, _TRACK, _NAME, _VALUE, _FLOW, _LAST_FLOW = (
    4,
    9,
    10,
    11,
    23,
    30,
    47,
    48,
)
"""Fields of TrackEvent."""
_KEY_ID, _BOOL, _INTEGER, _TEXT, _POINTER = 1, 2, 4, 6, 7
"""Fields of DebugAnnotation."""
_UUID, _TRACK_NAME, _PARENT, _COUNTER, _ORDERING, _RANK, _ABOUT = 1, 2, 5, 8, 11, 12, 14
"""Fields of TrackDescriptor."""
_EVENT_NAMES, _KEYS = 2, 3
"""Fields of InternedData."""
_UNIT_NAME: Final = 6
_BY_RANK: Final = 3
_FIRST_STATE: Final = 1
_NEEDS_STATE: Final = 2

MOST_NAMES: Final = 1 << 14
"""Names that are referred to by number; more, which only a hostile guest has, are written out."""

FULL: Final = 1 << 16
"""Bytes that are collected before they are handed on."""


class Kind(IntEnum):
    """Types of TrackEvent."""

    BEGIN = 1
    END = 2
    INSTANT = 3
    COUNTER = 4


class Hex(int):
    """A number that people read in hexadecimal."""


Detail: TypeAlias = str | bool | int | Hex


class Known(NamedTuple):
    """Encoded annotations and flows that many events have in common: see ``details``."""

    data: bytes


NOTHING: Final = Known(b"")


def varint(value: int) -> bytes:
    """Encode an unsigned number, or a negative one of 64 bits."""
    if 0 <= value < 0x80:
        return _ONE[value]
    if 0 <= value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    value &= M64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_ONE: Final = tuple(bytes((value,)) for value in range(0x80))


def field(number: int, value: int | bytes | str) -> bytes:
    """Encode a field of a message: a number, or anything that has a length."""
    if isinstance(value, int):
        return varint(number << 3 | _VARINT) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def fixed(number: int, value: int) -> bytes:
    """Encode a field that is always eight bytes."""
    return varint(number << 3 | _FIXED64) + (value & M64).to_bytes(8, "little")


_ANNOTATED: Final = varint(_ANNOTATION << 3 | _BYTES)
_POINTS: Final = varint(_POINTER << 3 | _VARINT)
_PACKED: Final = varint(_PACKET << 3 | _BYTES)
_TIMED: Final = varint(_TIMESTAMP << 3 | _VARINT)
_HAPPENED: Final = field(_SEQUENCE, 1) + field(_FLAGS, _NEEDS_STATE) + varint(_EVENT << 3 | _BYTES)


class TraceWriter:
    """Hands packets to ``out``, many at once and whole ones only; times are in ns."""

    def __init__(self, out: Callable[[bytes], object]) -> None:
        self._out: Final = out
        self._pending: Final = bytearray()
        self._names: Final[dict[str, int]] = {}
        self._keys: Final[dict[str, bytes]] = {}
        self._news: Final = bytearray()
        """Names that the next packet introduces."""
        self._heads: Final[dict[tuple[Kind, int, str], bytes]] = {}
        self._tracks = 0
        self._put(field(_SEQUENCE, 1) + field(_FLAGS, _FIRST_STATE | _NEEDS_STATE))

    def track(self, name: str, parent: int = 0, *, about: str = "", unit: str = "") -> int:
        """Add a track and return its number; a ``unit`` makes it one of a counter.

        Tracks of one parent are shown in the order in which they were added.
        """
        self._tracks += 1
        body = field(_UUID, self._tracks) + field(_TRACK_NAME, name)
        body += field(_ORDERING, _BY_RANK) + field(_RANK, self._tracks)
        if parent:
            body += field(_PARENT, parent)
        if about:
            body += field(_ABOUT, about)
        if unit:
            body += field(_COUNTER, field(_UNIT_NAME, unit))
        self._put(field(_SEQUENCE, 1) + field(_DESCRIPTOR, body))
        return self._tracks

    def begin(self, track: int, time: int, name: str, details: Known = NOTHING) -> None:
        """Begin a slice, within the one that has begun on this track and not ended, if any."""
        self._event(Kind.BEGIN, track, time, name, details.data)

    def end(self, track: int, time: int, details: Known = NOTHING) -> None:
        """End the slice that was begun last on this track."""
        self._event(Kind.END, track, time, "", details.data)

    def instant(self, track: int, time: int, name: str, *details: Known) -> None:
        """Add something that takes no time."""
        self._event(Kind.INSTANT, track, time, name, b"".join(known.data for known in details))

    def count(self, track: int, time: int, value: int) -> None:
        """Say what a counter is from now on."""
        self._event(Kind.COUNTER, track, time, "", field(_VALUE, value))

    def details(
        self, values: Mapping[str, Detail], flows: Sequence[int] = (), last: Sequence[int] = ()
    ) -> Known:
        """Encode annotations, the flows an event is part of, and those that it is the last of."""
        out = bytearray()
        for key, value in values.items():
            body = (self._keys.get(key) or self._key(key)) + _encoded(value)
            out += _ANNOTATED + varint(len(body)) + body
        for number in flows:
            out += fixed(_FLOW, number)
        for number in last:
            out += fixed(_LAST_FLOW, number)
        return Known(bytes(out))

    def flush(self) -> None:
        """Hand on what has been collected."""
        if self._pending:
            self._out(bytes(self._pending))
            self._pending.clear()

    def _event(self, kind: Kind, track: int, time: int, name: str, details: bytes) -> None:
        head = self._heads.get((kind, track, name)) or self._head(kind, track, name)
        event = head + details
        body = b"".join((_TIMED, varint(time), _HAPPENED, varint(len(event)), event))
        if self._news:
            body += field(_INTERNED, bytes(self._news))
            self._news.clear()
        self._put(body)

    def _head(self, kind: Kind, track: int, name: str) -> bytes:
        head = field(_TYPE, kind) + field(_TRACK, track)
        if name:
            number = self._number(name)
            if number is None:
                return head + field(_NAME, name)
            head += field(_NAME_ID, number)
        if len(self._heads) < MOST_NAMES:
            self._heads[kind, track, name] = head
        return head

    def _key(self, key: str) -> bytes:
        """Introduce the name of an annotation, and return what refers to it."""
        number = len(self._keys) + 1
        self._news.extend(field(_KEYS, field(1, number) + field(2, key)))
        head = self._keys[key] = field(_KEY_ID, number)
        return head

    def _number(self, name: str) -> int | None:
        """Return the number of an event's name, which is introduced if it is new."""
        known = self._names
        number = known.get(name)
        if number is None and len(known) < MOST_NAMES:
            number = known[name] = len(known) + 1
            self._news.extend(field(_EVENT_NAMES, field(1, number) + field(2, name)))
        return number

    def _put(self, packet: bytes) -> None:
        self._pending.extend(_PACKED + varint(len(packet)) + packet)
        if len(self._pending) > FULL:
            self.flush()


def _encoded(value: Detail) -> bytes:
    match value:
        case Hex():
            return _POINTS + varint(value)
        case str():
            return field(_TEXT, value)
        case bool():
            return field(_BOOL, value)
        case _:
            return field(_INTEGER, value)
