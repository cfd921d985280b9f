"""The guest's characters on stdout, without ever waiting for whoever reads them.

A guest whose output nobody takes is held, so that nothing is lost and nothing piles up;
everybody else is served meanwhile.
"""

import os
import select
from collections.abc import Callable
from typing import Final

PIECE: Final = 512
"""Bytes that a terminal, pipe or file that is ready takes without waiting (POSIX's PIPE_BUF)."""


class Output:
    """Writes to a file descriptor; ``hold`` is told when it is full, and when it is not.

    Who is told that it is full calls ``go_on`` when it may not be any more. ``lost`` is called,
    once, with the error that keeps anybody from reading any more: what comes then is dropped.
    """

    def __init__(
        self, hold: Callable[[bool], None], lost: Callable[[OSError], None], fd: int = 1
    ) -> None:
        self.hold = hold
        self.lost = lost
        self.fd: Final = fd
        self.is_full = False
        self._left: Final = bytearray()
        self._open = True

    def write(self, characters: bytes) -> None:
        """Show characters, now or when there is room."""
        if not self._open:
            return
        self._left.extend(characters)
        if not self.is_full and not self._flush():
            self.is_full = True
            self.hold(True)  # noqa: FBT003 - a callback

    def go_on(self) -> None:
        """Write what is left, as far as there is room."""
        if self._flush() and self.is_full:
            self.is_full = False
            self.hold(False)  # noqa: FBT003 - a callback

    def close(self) -> None:
        """Drop what is left, and what comes."""
        self._open = False
        self._left.clear()
        self.go_on()

    def _flush(self) -> bool:
        """Write as much as goes without waiting; tell whether that was everything."""
        try:
            while self._left and select.select((), (self.fd,), (), 0)[1]:
                del self._left[: os.write(self.fd, self._left[:PIECE])]
        except OSError as error:
            self._open = False
            self._left.clear()
            self.lost(error)
        return not self._left
