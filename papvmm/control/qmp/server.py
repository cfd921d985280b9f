"""The QMP server: a UNIX socket, any number of clients, each in a conversation of its own.

Nothing a client does holds the guest up. Commands of one client are carried out in order, and
its next ones aren't read before; a client that doesn't read its answers is disconnected when
``BACKLOG`` bytes of them wait.
"""

import asyncio
import socket
import time
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Final, Self, assert_never

from papvmm.control.control import Control
from papvmm.control.qmp.address import QmpAddress
from papvmm.control.qmp.commands import COMMANDS
from papvmm.control.qmp.connection import Connection
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
from papvmm.control.socket_file import SocketFile
from papvmm.control.strict_json import Object
from papvmm.errors import PapvmmError

BACKLOG: Final = 1 << 20
QUEUED: Final = 8
"""Commands of one client that wait for their turn, as QEMU has it."""
FLUSH: Final = 1.0
"""Seconds that clients have to read what is left for them when the server ends."""


class QmpServer:
    """Serves a machine: ``async with QmpServer(address, control): …``."""

    def __init__(self, address: QmpAddress, control: Control) -> None:
        self._control: Final = control
        self._socket: Final = SocketFile(address.path)
        self._tasks: Final = asyncio.TaskGroup()
        self._clients: Final[dict[Client, asyncio.Task[None]]] = {}
        self._somebody: Final = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._listening = self._socket.listen()
        self._control.machine.doorbell.watch(self._listening)
        await self._tasks.__aenter__()
        asyncio.get_running_loop().add_reader(self._listening, self._accept)
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
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        self._socket.remove()
        clients = dict(self._clients)
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH):
                await asyncio.gather(*(client.close() for client in clients))
        for client, task in clients.items():
            client.abort()
            task.cancel()
        try:
            await self._tasks.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            raise _first(group) from None

    async def first_client(self) -> None:
        """Wait for somebody to connect, or for the machine's end."""
        waits = [
            asyncio.create_task(self._somebody.wait()),
            asyncio.create_task(self._control.machine.end()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _accept(self) -> None:
        try:
            connected, _ = self._listening.accept()
        except OSError:
            return  # whoever it was has left again
        self._somebody.set()
        self._control.machine.doorbell.watch(connected)
        client = Client(self._control, connected)
        task = self._tasks.create_task(client.converse(), name="qmp client")
        self._clients[client] = task
        task.add_done_callback(lambda _: self._clients.pop(client))

    def _broadcast(self, name: str, data: Object) -> None:
        message = event(name, data, time.time_ns() // 1000)
        for client in self._clients:
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


def _first(error: BaseException) -> BaseException:
    """Return the first of the errors that task groups collected."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
