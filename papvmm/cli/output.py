"""The guest's characters on stdout, without ever waiting for whoever reads them.

A guest whose output nobody takes is held, so that nothing is lost and nothing piles up;
everybody else is served meanwhile.
"""

import asyncio
import os
import select
from collections.abc import Callable
from typing import Final

PIECE: Final = 512
"""Bytes that a terminal, pipe or file that is ready takes without waiting (POSIX's PIPE_BUF)."""


class Output:
    """Writes to a file descriptor; ``hold`` is told when it is full, and when it is not.

    ``lost`` is called, once, with the error that keeps anybody from reading any more: what comes
    then is dropped.
    """

    def __init__(
        self, hold: Callable[[bool], None], lost: Callable[[OSError], None], fd: int = 1
    ) -> None:
        self._hold: Final = hold
        self._lost: Final = lost
        self._fd: Final = fd
        self._left: Final = bytearray()
        self._open = True
        self._drained: asyncio.Future[None] | None = None
        """Done when ``_left`` is empty again; None while it is."""

    def write(self, characters: bytes) -> None:
        """Show characters, now or when there is room."""
        if not self._open:
            return
        self._left.extend(characters)
        if self._drained is None and not self._flush():
            loop = asyncio.get_running_loop()
            self._drained = loop.create_future()
            loop.add_writer(self._fd, self._go_on)
            self._hold(True)  # noqa: FBT003 - a callback

    async def drained(self) -> None:
        """Wait until everything is out, or will never be."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def close(self) -> None:
        """Drop what is left, and what comes."""
        self._open = False
        self._left.clear()
        if self._drained is not None:
            self._go_on()

    def _go_on(self) -> None:
        if self._flush() and self._drained is not None:
            asyncio.get_running_loop().remove_writer(self._fd)
            self._drained.set_result(None)
            self._drained = None
            self._hold(False)  # noqa: FBT003 - a callback

    def _flush(self) -> bool:
        """Write as much as goes without waiting; tell whether that was everything."""
        try:
            while self._left and select.select((), (self._fd,), (), 0)[1]:
                del self._left[: os.write(self._fd, self._left[:PIECE])]
        except OSError as error:
            self._open = False
            self._left.clear()
            self._lost(error)
        return not self._left
