"""Regions on their way: what the compiler is asked for, and what it answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from struct import Struct, pack, unpack_from
from typing import Final, NamedTuple

from papvmm.digests import sha256
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE

REGION: Final = "region"
_MET: Final = PAGE // 4
_COUNT: Final = Struct("<I")

UNMET: Final = 0
MET: Final = 1
"""An instruction has been executed."""
LOOKED_UP: Final = 2
"""Execution often came there from elsewhere."""


class Known(NamedTuple):
    """The bytes of a page of code, and how each of its instructions was met, a byte each."""

    words: bytes
    met: bytes


def page_name(page: int, mode: int, isa: int, words: bytes) -> str:
    """Return the name to keep all regions of a page under, while it has these bytes.

    Code means something in a mode, to a processor that implements a version of the Power ISA.
    """
    digest = sha256(words + f"{page} {mode} {isa}".encode()).hexdigest()
    return f"{REGION}-{digest[:32]}"


class RegionRequest(NamedTuple):
    """A place in code, the pages around it, and which lines to leave alone.

    Addresses are real ones. Effective ones are ``distance`` beyond them, modulo 2**64.
    """

    mode: int
    isa: Isa
    place: int
    distance: int
    pages: Mapping[int, Known]
    avoided: Sequence[int]

    def pack(self) -> bytes:
        """Return everything as bytes."""
        where = (self.mode, self.isa, self.place, self.distance)
        pages = (known.words + known.met for known in self.pages.values())
        return b"".join((_packed(where, [*self.pages], self.avoided), *pages))


def unpack_request(content: bytes) -> RegionRequest:
    """Return what ``RegionRequest.pack`` made bytes of."""
    ((mode, isa, place, distance), addresses, avoided), end = _unpacked(content, 3)
    starts = range(end, len(content), PAGE + _MET)
    pages = {
        address: Known(content[start : start + PAGE], content[start + PAGE :][:_MET])
        for address, start in zip(addresses, starts, strict=True)
    }
    return RegionRequest(mode, Isa(isa), place, distance, pages, avoided)


class Translated(NamedTuple):
    """A region's code; where it can be entered, and which instructions it has.

    These are ranges: first address, address past the last. The digest is that of their lines.
    ``names`` are what to keep it as.
    """

    entries: Sequence[int]
    ranges: Sequence[tuple[int, int]]
    digest: str
    names: Sequence[str]
    offset: int
    text: bytes

    def covers(self, ra: int) -> bool:
        """Tell whether an instruction is one of the region's."""
        return any(start <= ra < end for start, end in self.ranges)

    def lines(self) -> frozenset[int]:
        """Return the lines of RAM that its instructions are on."""
        return frozenset(
            line
            for start, end in self.ranges
            for line in range(start // CODE_LINE, (end - 1) // CODE_LINE + 1)
        )

    def pages(self) -> frozenset[int]:
        """Return the pages that its instructions are on."""
        return frozenset(line * CODE_LINE // PAGE * PAGE for line in self.lines())

    def pack(self) -> bytes:
        """Return everything as bytes."""
        names = "\n".join((self.digest, *self.names)).encode()
        places = (len(names), self.offset)
        bounds = [bound for bounds in self.ranges for bound in bounds]
        return _packed(places, self.entries, bounds) + names + self.text


def unpack(content: bytes) -> Translated:
    """Return what ``Translated.pack`` made bytes of."""
    ((length, offset), entries, bounds), end = _unpacked(content, 3)
    ranges = [*zip(bounds[::2], bounds[1::2], strict=True)]
    digest, *names = content[end : end + length].decode().split("\n")
    return Translated(entries, ranges, digest, names, offset, content[end + length :])


def _packed(*sequences: Sequence[int]) -> bytes:
    """Return numbers below 2^64 as bytes: of each sequence how many there are, and they."""
    return b"".join(pack(f"<I{len(some)}Q", len(some), *some) for some in sequences)


def _unpacked(content: bytes, count: int) -> tuple[list[tuple[int, ...]], int]:
    """Return so many sequences from the beginning of content, and where they end."""
    sequences, end = [], 0
    for _ in range(count):
        (length,) = _COUNT.unpack_from(content, end)
        sequences.append(unpack_from(f"<{length}Q", content, end + _COUNT.size))
        end += _COUNT.size + 8 * length
    return sequences, end


def digest_of(lines: Iterable[int], read: Callable[[int, int], bytes]) -> str:
    """Return what tells whether lines are the same, given what reads bytes at an address."""
    digest = sha256(b"")
    for line in sorted(lines):
        digest.update(read(line * CODE_LINE, CODE_LINE))
    return digest.hexdigest()
