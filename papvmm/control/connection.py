"""A client's socket: bytes and files come in, bytes go out, and nobody waits for whoever is slow.

asyncio's streams would do but for the files, which they drop (SCM_RIGHTS).
"""

import array
import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

CHUNK: Final = 1 << 16
FILES: Final = 4
"""Files that come along with one piece of data, at most."""
_ROOM: Final = socket.CMSG_SPACE(FILES * array.array("i").itemsize)

Ancillary: TypeAlias = Sequence[tuple[int, int, bytes]]


class Received(NamedTuple):
    """What has come: bytes, none at the end, and file descriptors."""

    data: bytes
    descriptors: tuple[int, ...] = ()


class Connection:
    """One connected socket, to be used from the event loop's thread."""

    def __init__(self, connected: socket.socket) -> None:
        connected.settimeout(0)
        self._socket: Final = connected
        self._loop: Final = asyncio.get_running_loop()
        self._left: Final = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._is_ending = False
        self._closed: Final = asyncio.Event()

    @property
    def backlog(self) -> int:
        """How many bytes the client hasn't taken yet."""
        return len(self._left)

    @property
    def is_closed(self) -> bool:
        """Tell whether the conversation is over."""
        return self._closed.is_set()

    async def receive(self) -> Received:
        """Wait for what comes next; the event loop has its turn before every piece."""
        while not self._closed.is_set():
            await self._is_readable()
            try:
                data, ancillary, _, _ = self._socket.recvmsg(CHUNK, _ROOM, socket.MSG_CMSG_CLOEXEC)
            except BlockingIOError:
                continue
            except OSError:
                break
            return Received(data, _descriptors(ancillary))
        return Received(b"")

    def send(self, data: bytes) -> None:
        """Send, now or when there is room; what can't be sent any more is dropped."""
        if self._is_ending:
            return
        if self._left:
            self._left.extend(data)
            return
        self._left.extend(data)
        self._flush()
        if self._left:
            self._loop.add_writer(self._socket, self._flush)

    async def close(self) -> None:
        """Let the client have what is on its way, and hang up."""
        self._is_ending = True
        if not self._left:
            self.abort()
        await self._closed.wait()

    def abort(self) -> None:
        """Hang up."""
        if self._closed.is_set():
            return
        self._is_ending = True
        self._left.clear()
        self._loop.remove_writer(self._socket)
        self._loop.remove_reader(self._socket)
        self._socket.close()
        self._closed.set()
        self._read()

    async def _is_readable(self) -> None:
        self._reader = self._loop.create_future()
        self._loop.add_reader(self._socket, self._read)
        try:
            await self._reader
        finally:
            if not self._closed.is_set():
                self._loop.remove_reader(self._socket)

    def _read(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _flush(self) -> None:
        """Send as much as the host takes."""
        try:
            with suppress(BlockingIOError):
                del self._left[: self._socket.send(self._left)]
        except OSError:
            self.abort()
            return
        if not self._left:
            self._loop.remove_writer(self._socket)
            if self._is_ending:
                self.abort()


def _descriptors(ancillary: Ancillary) -> tuple[int, ...]:
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            descriptors.frombytes(data[: len(data) // descriptors.itemsize * descriptors.itemsize])
    return tuple(descriptors)
