"""The gdb server: a socket, and one debugger at a time.

Nothing a debugger does holds the guest up, but that it is stopped. What comes is read as it
comes, so that a guest that runs can be interrupted; a debugger that doesn't read its replies
gets no further ones.
"""

import asyncio
import select
import socket
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from papvmm.control.gdb.address import GdbAddress
from papvmm.control.gdb.debuggee import Debuggee
from papvmm.control.gdb.packets import Item, Reader, Signal, frame
from papvmm.control.gdb.session import TOO_LONG, Session
from papvmm.control.socket_file import WAITING, SocketFile
from papvmm.control.tcp import listen
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.tasks import Tasks

CHUNK: Final = 1 << 16
QUEUED: Final = 8
"""Packets that wait for the reply to an earlier one; gdb sends one at a time."""
BEGINNINGS: Final = (b"$", b"+", b"-", b"\x03")
FLUSH: Final = 1.0
"""Seconds that a debugger has to read the last reply when the server ends."""


class GdbServer:
    """Serves a machine's debugger: ``async with GdbServer(address, debuggee): …``."""

    def __init__(self, address: GdbAddress, debuggee: Debuggee) -> None:
        self._debuggee: Final = debuggee
        self._given: Final = address
        self._file: Final = SocketFile(address.path, "gdb socket") if address.path else None
        self._tasks: Final = Tasks()
        self._client: asyncio.Task[None] | None = None
        self.address: GdbAddress = address
        """Where it listens: with the port that was free."""

    async def __aenter__(self) -> Self:
        listening = self._listen()
        self._debuggee.machine.doorbell.watch(listening)
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._accept, sock=listening)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        if self._file is not None:
            self._file.remove()
        if self._client is not None:
            await asyncio.wait((self._client,), timeout=FLUSH)
        if self._client is not None:
            self._client.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    def _listen(self) -> socket.socket:
        """Return a socket that listens at the address; BadUsage if it can't be."""
        host, port = self._given.host, self._given.port
        try:
            if self._file is not None:
                return self._file.listen()
            listening = listen(host, port, WAITING)
        except BadInput as error:
            raise BadUsage(f"-gdb {error}") from None
        self.address = GdbAddress(host=host, port=listening.getsockname()[1])
        return listening

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Begin a conversation, unless there is one already."""
        if self._client is not None:
            writer.close()
            return
        self._debuggee.machine.doorbell.watch(writer.get_extra_info("socket"))
        client = Client(self._debuggee, reader, writer)
        self._client = self._tasks.create_task(client.converse(), name="debugger")
        self._client.add_done_callback(self._left)

    def _left(self, _client: asyncio.Task[None]) -> None:
        self._client = None


class Client:
    """The debugger: its packets in, replies out."""

    def __init__(
        self, debuggee: Debuggee, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._debuggee: Final = debuggee
        self._reader: Final = reader
        self._writer: Final = writer
        self._socket: Final[socket.socket] = writer.get_extra_info("socket")
        self._packets: Final = Reader()
        self._session: Final = Session(debuggee)
        self._queue: Final[asyncio.Queue[Item | None]] = asyncio.Queue(QUEUED)
        self._last = b""
        """The latest reply, as it was sent."""

    async def converse(self) -> None:
        """Serve the debugger until it leaves."""
        self._debuggee.hears = self._hears
        reading = asyncio.create_task(self._read(), name="gdb reader")
        talking = asyncio.create_task(self._talk(), name="gdb replies")
        try:
            await asyncio.wait((reading, talking), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, talking):
                task.cancel()
            outcomes = await asyncio.gather(reading, talking, return_exceptions=True)
            self._debuggee.leave()
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()
        for outcome in outcomes:
            if isinstance(outcome, Exception) and not isinstance(outcome, ConnectionError):
                raise outcome

    def _hears(self) -> bool:
        """Tell whether something has come that is not read: before a reply, an interruption."""
        return bool(select.select((self._socket,), (), (), 0)[0])

    async def _read(self) -> None:
        """Acknowledge and queue what comes; an interruption is for at once.

        Who does not begin as a debugger does is none: a browser, say, that a web page sent here.
        """
        data = await self._reader.read(CHUNK)
        if data[:1] not in BEGINNINGS:
            return
        self._debuggee.attach()
        while data:
            for item in self._packets.feed(data):
                if item is Signal.INTERRUPT:
                    self._debuggee.interrupt(is_early=not self._queue.empty())
                else:
                    if self._session.acknowledges and item is not Signal.AGAIN:
                        self._writer.write(b"-" if item is Signal.DAMAGED else b"+")
                    await self._queue.put(item)
            data = await self._reader.read(CHUNK)

    async def _talk(self) -> None:
        """Reply to one packet after the other."""
        while not self._session.ends:
            item = await self._queue.get()
            match item:
                case bytes():
                    replies = await self._session.answer(item)
                    self._packets.acknowledges = self._session.acknowledges
                    self._last = b"".join(map(frame, replies))
                    if self._queue.empty():
                        self._debuggee.forget_interruption()
                case Signal.TOO_LONG:
                    self._last = frame(TOO_LONG)
                case Signal.AGAIN if self._session.acknowledges:
                    pass
                case _:
                    continue
            self._writer.write(self._last)
            await self._writer.drain()
