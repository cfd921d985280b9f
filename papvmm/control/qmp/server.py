"""The QMP server: a UNIX socket, any number of clients, each in a conversation of its own.

Nothing a client does holds the guest up. Commands of one client are carried out in order, and
its next ones aren't read before; a client that doesn't read its answers is disconnected when
``BACKLOG`` bytes of them wait.
"""

import asyncio
import socket
import time
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Final, Self, assert_never

from papvmm.control.connection import Connection
from papvmm.control.control import Control
from papvmm.control.listener import Listener
from papvmm.control.qmp.commands import COMMANDS
from papvmm.control.qmp.events import Events
from papvmm.control.qmp.message import encode
from papvmm.control.qmp.protocol import (
    Answer,
    Item,
    Request,
    Session,
    event,
    failure,
    greeting,
    success,
)
from papvmm.control.received_files import ReceivedFiles
from papvmm.control.socket_address import SocketAddress
from papvmm.control.strict_json import Object
from papvmm.errors import PapvmmError

BACKLOG: Final = 1 << 20
QUEUED: Final = 8
"""Commands of one client that wait for their turn, as QEMU has it."""


class QmpServer(Listener["Client"]):
    """Serves a machine: ``async with QmpServer(address, control): …``."""

    def __init__(self, address: SocketAddress, control: Control) -> None:
        super().__init__(address, control.machine, partial(Client, control))
        self._control: Final = control

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._events = Events(self._control, self._broadcast)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._control.dumps.close()
        self._events.end()
        await super().__aexit__(kind, error, traceback)

    def _broadcast(self, name: str, data: Object) -> None:
        message = event(name, data, time.time_ns() // 1000)
        for client in self.clients:
            client.tell(message)


class Client:
    """One client: its commands and files in, their answers and the events out."""

    def __init__(self, control: Control, connected: socket.socket) -> None:
        self._files: Final = ReceivedFiles()
        self._control: Final = replace(control, files=self._files)
        self._connection: Final = Connection(connected)
        self._session: Final = Session(COMMANDS)
        self._queue: Final[asyncio.Queue[Item | None]] = asyncio.Queue(QUEUED)
        self._listens = False

    async def converse(self) -> None:
        """Serve the client until it leaves, or is cut off."""
        self._send(greeting())
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read(), name="qmp reader")
                while (item := await self._queue.get()) is not None:
                    await self._answer(item)
            await self._connection.close()
        finally:
            self._connection.abort()
            self._files.close()

    def tell(self, message: bytes) -> None:
        """Send an event, if the client has got as far as that."""
        if self._listens:
            self._send(message)

    async def close(self) -> None:
        """Let the client have what is on its way, and hang up."""
        await self._connection.close()

    def abort(self) -> None:
        """Hang up."""
        self._connection.abort()

    async def _read(self) -> None:
        """Queue what the client sends, and do at once what is to be done out of band."""
        while (received := await self._connection.receive()).data:
            self._files.receive(received.descriptors)
            for item in self._session.feed(received.data):
                if isinstance(item, Request) and item.out_of_band:
                    await self._answer(item)
                else:
                    await self._queue.put(item)
        for item in self._session.end():
            await self._queue.put(item)
        await self._queue.put(None)

    async def _answer(self, item: Item) -> None:
        match item:
            case Answer():
                answer = item
            case Request(act, _, tag):
                try:
                    answer = success(item, await act(self._control))
                except PapvmmError as error:
                    answer = failure(tag, str(error))
            case _:
                assert_never(item)
        self._send(encode(answer.fields))
        self._listens = self._listens or answer.begins

    def _send(self, message: bytes) -> None:
        if self._connection.backlog > BACKLOG:
            self._connection.abort()
        else:
            self._connection.send(message)
