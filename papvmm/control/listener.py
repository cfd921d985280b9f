"""A UNIX socket with any number of clients, each served by a task of its own."""

import asyncio
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Protocol, Self, TypeVar

from papvmm.control.socket_address import SocketAddress
from papvmm.control.socket_file import SocketFile
from papvmm.machine.machine import Machine
from papvmm.machine.tasks import Tasks

FLUSH: Final = 1.0
"""Seconds that clients have to read what is left for them in the end."""


class Client(Protocol):
    """Somebody who has connected."""

    async def converse(self) -> None:
        """Serve the client until it leaves, or is cut off."""
        ...

    async def close(self) -> None:
        """Let the client have what is on its way, and hang up."""
        ...

    def abort(self) -> None:
        """Hang up."""
        ...


C = TypeVar("C", bound=Client)


class Listener(Generic[C]):
    """Listens, and makes a client of each connected socket: ``async with Listener(…): …``.

    A machine's guest is interrupted whenever something comes from a client.
    """

    def __init__(
        self, address: SocketAddress, machine: Machine, meet: Callable[[socket.socket], C]
    ) -> None:
        self._machine: Final = machine
        self._meet: Final = meet
        self._file: Final = SocketFile(address.path)
        self._tasks: Final = Tasks()
        self._clients: Final[dict[C, asyncio.Task[None]]] = {}
        self._somebody: Final = asyncio.Event()

    @property
    def clients(self) -> Iterable[C]:
        """Those who are connected."""
        return self._clients.keys()

    async def __aenter__(self) -> Self:
        self._listening = self._file.listen()
        self._machine.doorbell.watch(self._listening)
        await self._tasks.__aenter__()
        asyncio.get_running_loop().add_reader(self._listening, self._accept)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._listening)
        self._listening.close()
        self._file.remove()
        clients = dict(self._clients)
        with suppress(TimeoutError):
            async with asyncio.timeout(FLUSH):
                await asyncio.gather(*(client.close() for client in clients))
        for client, task in clients.items():
            client.abort()
            task.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    async def first_client(self) -> None:
        """Wait for somebody to connect, or for the machine's end."""
        waits = [
            asyncio.create_task(self._somebody.wait()),
            asyncio.create_task(self._machine.end()),
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
        self._machine.doorbell.watch(connected)
        client = self._meet(connected)
        task = self._tasks.create_task(client.converse(), name="client")
        self._clients[client] = task
        task.add_done_callback(lambda _: self._clients.pop(client))
