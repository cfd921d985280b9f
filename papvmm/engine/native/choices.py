"""Which handling an instruction word has: decision tables from the fields of all instructions.

``OPCODES`` has, for each primary opcode, where in ``CHOICES`` it begins, and which low bits of
the word select an entry there. That is the number of a node: where in ``HANDLED`` it begins, and
which other bits select an entry there, the numbers of two handlings: for privileged and for
problem state.
"""

from collections.abc import Callable, Iterable, Iterator, Set
from functools import reduce
from operator import or_
from struct import Struct
from typing import Final, NamedTuple

from papvmm.bits import ones
from papvmm.isa.decode import TABLE
from papvmm.isa.instruction import Instruction

OPCODE: Final = Struct("<II")
"""Where in ``CHOICES``; which bits of the word."""
CHOICE: Final = Struct("<H")
NODE: Final = Struct("<IHH")
"""Where in ``HANDLED``; from which bit of the word on; which bits from there on."""
HANDLED: Final = Struct("<HH")
LOW: Final = 11
"""The low bits of a word that may select a choice; nodes look at those above."""
OPCODE_SHIFT: Final = 26

Handled = tuple[int, int]
"""The numbers of two handlings."""


NONE: Final = ((0, 0),)
"""What the words of no instruction have."""


class Tables(NamedTuple):
    """The tables as bytes."""

    opcodes: bytes
    choices: bytes
    nodes: bytes
    handled: bytes


class _Node(NamedTuple):
    start: int
    shift: int
    mask: int


def tables(instructions: Set[Instruction], handled: Callable[[int], Handled]) -> Tables:
    """Return the tables, given what handles the words of some instructions.

    Those of others, and of none, have (0, 0).
    """
    opcodes: list[tuple[int, int]] = []
    choices: list[int] = []
    nodes: dict[_Node, int] = {}
    rows = _Rows()
    for opcode in range(64):
        known = [one for matches in TABLE[opcode].values() for one in matches.values()]
        found = [one for one in known if one in instructions]
        low = (_selecting(found) & ones(LOW)).bit_length()
        opcodes.append((len(choices), ones(low)))
        by_bits = _by_low_bits(found, ones(low))
        for bits in range(1 << low):
            word = opcode << OPCODE_SHIFT | bits
            node = _node(word, by_bits.get(bits, []), handled, rows)
            choices.append(nodes.setdefault(node, len(nodes)))
    return Tables(
        b"".join(OPCODE.pack(*one) for one in opcodes),
        b"".join(map(CHOICE.pack, choices)),
        b"".join(NODE.pack(*one) for one in nodes),
        b"".join(HANDLED.pack(*one) for one in rows.content),
    )


class _Rows:
    """Runs of entries, equal ones kept once."""

    def __init__(self) -> None:
        self.content: Final[list[Handled]] = []
        self._starts: Final[dict[tuple[Handled, ...], int]] = {}

    def place(self, row: tuple[Handled, ...]) -> int:
        """Return where a run of entries is."""
        if row not in self._starts:
            self._starts[row] = len(self.content)
            self.content.extend(row)
        return self._starts[row]


def _node(
    word: int, found: list[Instruction], handled: Callable[[int], Handled], rows: _Rows
) -> _Node:
    """Return the node for all words with these low bits, which are of one of few instructions."""
    if not found:
        return _Node(rows.place(NONE), 0, 0)
    high = (_selecting(found) & ones(OPCODE_SHIFT)) >> LOW
    if not high:
        return _Node(rows.place((handled(word),)), 0, 0)
    first = (high & -high).bit_length() - 1
    shift, mask = LOW + first, ones(high.bit_length() - first)
    row = tuple(handled(word | bits << shift) for bits in range(mask + 1))
    return _Node(rows.place(row), shift, mask)


def _selecting(found: Iterable[Instruction]) -> int:
    """Return the bits that select among instructions, and among the variants of each."""
    bits = (bits for one in found for bits in (one.form.mask, *_static_bits(one)))
    return reduce(or_, bits, 0)


def _static_bits(instruction: Instruction) -> Iterator[int]:
    for operand in instruction.statics:
        for first, last in operand.bits:
            yield ones(last - first + 1) << 31 - last


def _by_low_bits(found: Iterable[Instruction], low: int) -> dict[int, list[Instruction]]:
    """Return which of some instructions words may be of, by their low bits."""
    by_bits: dict[int, list[Instruction]] = {}
    for one in found:
        fixed, free = one.form.match & low, low & ~one.form.mask
        bits = free
        while True:
            by_bits.setdefault(fixed | bits, []).append(one)
            if not bits:
                break
            bits = bits - 1 & free
    return by_bits
