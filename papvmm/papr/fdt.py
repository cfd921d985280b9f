"""Device trees, and the flattened form (FDT, Devicetree Specification 5) a kernel is given."""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import takewhile
from struct import Struct, pack
from typing import Final

from papvmm.errors import BadInput
from papvmm.values import Value

MAGIC: Final = 0xD00D_FEED
VERSION: Final = 17
LAST_COMPATIBLE: Final = 16

_LONGEST_NAME: Final = 256
_HEADER: Final = Struct(">10I")
_RESERVATION: Final = Struct(">QQ")
_WORD: Final = Struct(">I")
_DEEPEST: Final = 64
"""Nesting a reader accepts: far more than any machine has, far less than Python's stack."""


class Token(IntEnum):
    """What a structure block is made of."""

    BEGIN_NODE = 1
    END_NODE = 2
    PROP = 3
    NOP = 4
    END = 9


class Node:  # noqa: PLW1641 - it changes
    """A node: properties as bytes, in order, and children; the root's name is empty."""

    def __init__(
        self, name: str, properties: Mapping[str, bytes] = {}, children: Iterable["Node"] = ()
    ) -> None:
        self.name = name
        self.properties = dict(properties)
        self.children = list(children)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Node) and vars(self) == vars(other)

    def find(self, path: str) -> "Node | None":
        """Return the node at an absolute path below this one, as ``/cpus/cpu@0``."""
        name, _, rest = path.strip("/").partition("/")
        if not name:
            return self
        child = next((child for child in self.children if child.name == name), None)
        return child.find(rest) if child else None


class DeviceTree(Value):
    """A tree, RAM it reserves as (gpa, size), and the boot cpu's server number."""

    root: Node
    reservations: Sequence[tuple[int, int]] = ()
    boot_cpuid: int = 0


def cells(*values: int) -> bytes:
    """Return a property of 32-bit cells."""
    return b"".join(value.to_bytes(4, "big") for value in values)


def cells64(*values: int) -> bytes:
    """Return a property of values of two cells each."""
    return b"".join(value.to_bytes(8, "big") for value in values)


def strings(*values: str) -> bytes:
    """Return a property of strings; a character beyond ASCII is its UTF-8 bytes."""
    return b"".join(value.encode() + b"\0" for value in values)


def flatten(tree: DeviceTree) -> bytes:
    """Return the flattened tree."""
    names = _Names()
    structure = _flatten_node(tree.root, names) + _WORD.pack(Token.END)
    text = bytes(names.text)
    reservations = b"".join(_RESERVATION.pack(*row) for row in (*tree.reservations, (0, 0)))
    structure_at = _HEADER.size + len(reservations)
    strings_at = structure_at + len(structure)
    header = _HEADER.pack(
        MAGIC, strings_at + len(text), structure_at, strings_at, _HEADER.size,
        VERSION, LAST_COMPATIBLE, tree.boot_cpuid, len(text), len(structure),
    )  # fmt: skip
    return header + reservations + structure + text


class _Names(dict[str, int]):
    """The names of properties, by where they are in ``text``: each is there once."""

    def __init__(self) -> None:
        super().__init__()
        self.text: Final = bytearray()

    def __missing__(self, name: str) -> int:
        place = self[name] = len(self.text)
        self.text.extend(name.encode() + b"\0")
        return place


def _flatten_node(node: Node, names: _Names) -> bytes:
    parts = [_WORD.pack(Token.BEGIN_NODE), _padded(node.name.encode() + b"\0")]
    for name, value in node.properties.items():
        parts.append(pack(">3I", Token.PROP, len(value), names[name]) + _padded(value))
    parts += [_flatten_node(child, names) for child in node.children]
    return b"".join((*parts, _WORD.pack(Token.END_NODE)))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def unflatten(name: str, data: bytes) -> DeviceTree:
    """Read a flattened tree; BadInput, in one line that begins with ``name``, if it is none."""
    if len(data) < _HEADER.size:
        raise BadInput(f"{name} is not a flattened device tree: it has only {len(data)} bytes")
    (
        magic, total, structure_at, strings_at, reservations_at,
        version, compatible, boot_cpuid, strings_size, structure_size,
    ) = _HEADER.unpack_from(data)  # fmt: skip
    if magic != MAGIC:
        raise BadInput(f"{name} is not a flattened device tree: it doesn't begin with d00dfeed")
    if version < VERSION or compatible > VERSION:
        raise BadInput(f"{name} is a device tree of version {version}; papvmm reads {VERSION}")
    blocks = (structure_at + structure_size, strings_at + strings_size, reservations_at)
    if total > len(data) or max(blocks) > total:
        raise BadInput(f"{name} is a device tree that is cut short: it should have {total} bytes")
    reader = _Reader(
        name,
        data[structure_at : structure_at + structure_size],
        data[strings_at : strings_at + strings_size],
    )
    rows = data[reservations_at:total]
    whole = rows[: len(rows) // _RESERVATION.size * _RESERVATION.size]
    reservations = tuple(takewhile(any, _RESERVATION.iter_unpack(whole)))
    return DeviceTree(reader.root(), reservations, boot_cpuid)


class _Reader:
    """Reads a structure block; every step checks that it stays inside."""

    def __init__(self, name: str, structure: bytes, text: bytes) -> None:
        self._name: Final = name
        self._structure: Final = structure
        self._strings: Final = text
        self._position = 0

    def root(self) -> Node:
        if self._token() != Token.BEGIN_NODE:
            raise self._damaged("no root node")
        root = self._node(0)
        if self._token() != Token.END:
            raise self._damaged("more than one root node")
        return root

    def _node(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise self._damaged(f"nodes more than {_DEEPEST} deep")
        node = Node(self._text(self._structure, self._position))
        self._take(len(node.name.encode()) + 1)
        while True:
            match self._token():
                case Token.BEGIN_NODE:
                    node.children.append(self._node(depth + 1))
                case Token.END_NODE:
                    return node
                case Token.PROP:
                    length, name_at = self._word(), self._word()
                    node.properties[self._text(self._strings, name_at)] = self._take(length)
                case token:
                    raise self._damaged(f"token {token} in a node")

    def _token(self) -> int:
        while (token := self._word()) == Token.NOP:
            pass
        return token

    def _word(self) -> int:
        return int.from_bytes(self._take(4), "big")

    def _take(self, length: int) -> bytes:
        start, end = self._position, self._position + length
        if end > len(self._structure):
            raise self._damaged("it ends early")
        self._position = end + -end % 4
        return self._structure[start:end]

    def _text(self, block: bytes, start: int) -> str:
        end = block.find(b"\0", start, start + _LONGEST_NAME)
        if end < 0:
            raise self._damaged("a name without an end")
        text = block[start:end]
        if not text.isascii():
            raise self._damaged("a name that is not ASCII")
        return text.decode("ascii")

    def _damaged(self, why: str) -> BadInput:
        return BadInput(f"{self._name} is a damaged device tree: {why}")
