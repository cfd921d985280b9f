"""A minimal HTTP server: GET /metrics, one answer a connection, and nothing holds the guest up."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from papvmm.control.metrics.address import MetricsAddress, UnixAddress
from papvmm.control.socket_file import SocketFile
from papvmm.control.tcp import Place, listen
from papvmm.machine.machine import Machine

PATIENCE: Final = 5.0
"""Seconds a client has for its request, and for reading the answer."""
MOST_CLIENTS: Final = 16
LONGEST: Final = 8192
"""Bytes of a request."""

OK: Final = "200 OK"
BAD_REQUEST: Final = "400 Bad Request"
NOT_FOUND: Final = "404 Not Found"
NOT_ALLOWED: Final = "405 Method Not Allowed"
_GET: Final = ("GET", "HEAD")


class MetricsServer:
    """Serves what ``text`` returns: ``async with MetricsServer(address, machine, text, …): …``."""

    def __init__(
        self, address: MetricsAddress, machine: Machine, text: Callable[[], str], content_type: str
    ) -> None:
        self._address: Final = address
        self._machine: Final = machine
        self._text: Final = text
        self._content_type: Final = content_type
        self._file: SocketFile | None = None
        self._clients = 0
        self.port = 0
        """The one it listens at, if that is one of TCP's."""

    async def __aenter__(self) -> Self:
        listening = self._listen()
        self._machine.doorbell.watch(listening)
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=LONGEST)
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

    def _listen(self) -> socket.socket:
        match self._address:
            case UnixAddress(path):
                self._file = SocketFile(path, "metrics socket")
                return self._file.listen()
            case Place(host, port):
                listening = listen(host, port, MOST_CLIENTS)
                self.port = listening.getsockname()[1]
                return listening

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._clients += 1
        try:
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    if self._clients <= MOST_CLIENTS:
                        writer.write(await self._answer(reader))
                        await writer.drain()
                    writer.close()
                    await writer.wait_closed()
        finally:
            self._clients -= 1
            writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return _response(BAD_REQUEST)
        match request.partition(b"\r\n")[0].decode("latin-1").split(" "):
            case [method, target, version] if version.startswith("HTTP/1."):
                return self._reply(method, target.partition("?")[0])
            case _:
                return _response(BAD_REQUEST)

    def _reply(self, method: str, path: str) -> bytes:
        if path != "/metrics":
            return _response(NOT_FOUND)
        if method not in _GET:
            return _response(NOT_ALLOWED, "Allow: GET, HEAD\r\n")
        body = self._text().encode()
        head = _response(OK, f"Content-Type: {self._content_type}\r\n", len(body))
        return head + body if method == "GET" else head


def _response(status: str, headers: str = "", length: int = 0) -> bytes:
    return (
        f"HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    ).encode()
