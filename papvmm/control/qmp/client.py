"""A small QMP client, for papvmm's own commands: one conversation, one command at a time."""

import socket
from types import TracebackType
from typing import Final, Self

from papvmm.control.qmp.message import encode, objects
from papvmm.control.qmp.protocol import NEGOTIATE
from papvmm.control.strict_json import Json, NotJson, Object
from papvmm.errors import BadInput, PapvmmError

PATIENCE: Final = 30.0
"""Seconds without a word after which a server is given up."""
CHUNK: Final = 1 << 16


class CommandFailed(PapvmmError):
    """The server refused a command; the text is its description of the error."""


class QmpClient:
    """Talks to the server behind a UNIX socket: ``with QmpClient(path) as qmp: …``.

    BadInput when nobody listens there, or somebody who doesn't speak QMP.
    """

    def __init__(self, path: str) -> None:
        self._path: Final = path
        self._socket: Final = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._buffer: Final = bytearray()

    def __enter__(self) -> Self:
        self._socket.settimeout(PATIENCE)
        try:
            self._socket.connect(self._path)
            if "QMP" not in self._receive():
                raise self._no_qmp()
            self.execute(NEGOTIATE)
        except OSError as error:
            self._socket.close()
            raise BadInput(
                f"{self._path}: {error.strerror or error}; is it the socket of a running guest"
                " (papvmm run -qmp unix:PATH)?"
            ) from None
        except PapvmmError:
            self._socket.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._socket.close()

    def execute(self, command: str, **arguments: Json) -> Json:
        """Have a command carried out, and return what it returns; events are passed over.

        CommandFailed if it is refused.
        """
        message: Object = {"execute": command, "arguments": arguments}
        try:
            self._socket.sendall(encode(message))
            while "event" in (answer := self._receive()):
                pass
        except OSError as error:
            raise BadInput(f"{self._path}: {command}: {error.strerror or error}") from None
        match answer:
            case {"return": value}:
                return value
            case {"error": {"desc": str(why)}}:
                raise CommandFailed(why)
            case _:
                raise self._no_qmp()

    def wait(self, seconds: float | None) -> None:
        """Have patience for as long, or for ever."""
        self._socket.settimeout(seconds)

    def _receive(self) -> Object:
        while b"\n" not in self._buffer:
            data = self._socket.recv(CHUNK)
            if not data:
                raise BadInput(f"{self._path}: the server hung up")
            self._buffer.extend(data)
        line, _, rest = bytes(self._buffer).partition(b"\n")
        self._buffer[:] = rest
        try:
            return next(objects(line))
        except (NotJson, StopIteration):
            raise self._no_qmp() from None

    def _no_qmp(self) -> BadInput:
        return BadInput(f"{self._path}: whoever listens there doesn't speak QMP")
