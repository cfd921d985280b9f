"""Regions on their way: what the compiler is asked for, and what it answers."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from papvmm.memory.guest_memory import CODE_LINE

REGION: Final = "region"


@dataclass(frozen=True, slots=True)
class RegionRequest:
    """A page's address, mode and bytes, and which lines to leave alone.

    ``start`` is where the region begins; if it goes to computed addresses, it also comprises
    the code at the ``targets``.
    """

    page: int
    mode: int
    words: bytes
    start: int
    targets: Sequence[int]
    avoided: Sequence[int]

    def pack(self) -> bytes:
        """Return everything as bytes."""
        fields = [self.page, self.mode, self.start, list(self.targets), list(self.avoided)]
        return self.words + json.dumps(fields).encode()

    def name(self) -> str:
        """Return the name to keep all regions of the page under, while it has these bytes."""
        digest = sha256(self.words + f"{self.page} {self.mode}".encode()).hexdigest()
        return f"{REGION}-{digest[:32]}"


@dataclass(frozen=True, slots=True)
class Translated:
    """A region's code; where it can be entered, and which instructions it has."""

    entries: Sequence[int]
    covered: frozenset[int]
    offset: int
    text: bytes

    def lines(self) -> frozenset[int]:
        """Return the lines of RAM that its instructions are on."""
        return frozenset(ra // CODE_LINE for ra in self.covered)


def unpack(content: bytes) -> Translated:
    """Return what ``translate`` made bytes of."""
    end = 8 + int.from_bytes(content[:8], "little")
    entries, covered, offset = json.loads(content[8:end])
    return Translated(entries, frozenset(covered), offset, content[end:])
