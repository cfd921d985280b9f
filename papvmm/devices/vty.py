"""The virtual terminal (vty) behind H_PUT_TERM_CHAR and H_GET_TERM_CHAR: sans I/O."""

from collections.abc import Callable
from typing import Final

VTY_UNIT: Final = 0x7100_0000
"""Unit address of the first vty, as in its node's name; hypercalls also know it as 0."""


VTY_INTERRUPT: Final = 0x1100
"""The XICS source that says that keys have come; QEMU gives the first vty this one, too."""


class Vty:
    """Hands what the guest writes to ``output``, and keeps what it has not read yet.

    ``on_input`` is called when there is something to read where there was nothing. What a guest
    that was put back in time writes again is not shown again.
    """

    def __init__(
        self, output: Callable[[bytes], None], on_input: Callable[[], None] = lambda: None
    ) -> None:
        self.output = output
        self.on_input: Final = on_input
        self.input: Final = bytearray()
        self.written = 0
        """Characters that the guest has written."""
        self.shown = 0
        """Characters of these that ``output`` got."""

    def write(self, characters: bytes) -> None:
        """Show what the guest wrote."""
        self.written += len(characters)
        fresh = self.written - self.shown
        if fresh > 0:
            self.shown = self.written
            self.output(characters[-fresh:])

    def feed(self, characters: bytes) -> None:
        """Queue keys for the guest."""
        had_none = not self.input
        self.input.extend(characters)
        if had_none and characters:
            self.on_input()

    def read(self, limit: int) -> bytes:
        """Return the oldest keys, at most ``limit``, and forget them."""
        keys = bytes(self.input[:limit])
        del self.input[:limit]
        return keys
