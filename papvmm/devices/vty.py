"""The virtual terminal (vty) behind H_PUT_TERM_CHAR and H_GET_TERM_CHAR: sans I/O."""

from collections.abc import Callable
from typing import Final

VTY_UNIT: Final = 0x7100_0000
"""Unit address of the first vty, as in its node's name; hypercalls also know it as 0."""


class Vty:
    """Hands what the guest writes to ``output``, and keeps what it has not read yet."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self.output = output
        self.input: Final = bytearray()

    def write(self, characters: bytes) -> None:
        """Show what the guest wrote."""
        self.output(characters)

    def feed(self, characters: bytes) -> None:
        """Queue keys for the guest."""
        self.input.extend(characters)

    def read(self, limit: int) -> bytes:
        """Return the oldest keys, at most ``limit``, and forget them."""
        keys = bytes(self.input[:limit])
        del self.input[:limit]
        return keys
