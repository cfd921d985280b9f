"""How a stream gets out and in: sockets, files, commands. All of it waits: for threads only.

``abort`` may be called by another thread, and whatever waits ends with an error.
"""

import os
import signal
import socket
import stat
import subprocess
from contextlib import suppress
from typing import Final, Protocol, assert_never

from papvmm.control.migration.address import (
    Address,
    Command,
    Descriptor,
    InFile,
    Tcp,
    Unix,
)
from papvmm.control.snapshot.directory import OWNER_ONLY
from papvmm.control.socket_file import SocketFile
from papvmm.control.tcp import listen
from papvmm.errors import BadInput

CONNECTING: Final = 10.0
"""Seconds until a connection is given up."""
PATIENCE: Final = 30.0
"""Seconds that a guest waits for the other side to take what it is sent, or to answer."""


class Channel(Protocol):
    """One way for a stream; OSError, or BadInput, if it fails."""

    @property
    def answers(self) -> bool:
        """Tell whether the other side can answer."""
        ...

    def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    def receive(self, size: int) -> bytes:
        """Return as many bytes; BadInput if they end before."""
        ...

    def commit(self) -> None:
        """Have what was sent last, where nobody answers; that is the end of it."""
        ...

    def abort(self) -> None:
        """Let go of it: what was sent is in vain."""
        ...


class SocketChannel:
    """A connected socket; ``patience`` is how many seconds the other side may take, if limited."""

    def __init__(self, connected: socket.socket, patience: float | None) -> None:
        self.answers: Final = True
        self._socket: Final = connected
        connected.settimeout(patience)
        if connected.family != socket.AF_UNIX:
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.sendall(data)

    def receive(self, size: int) -> bytes:
        """Return as many bytes; BadInput if they end before."""
        data = bytearray(size)
        at = memoryview(data)
        while at:
            count = self._socket.recv_into(at)
            if count == 0:
                raise _ended()
            at = at[count:]
        return bytes(data)

    def commit(self) -> None:
        """Hang up."""
        self._socket.close()

    def abort(self) -> None:
        """Hang up, whoever waits."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class FileChannel:
    """An open file or pipe, one way."""

    def __init__(self, descriptor: int) -> None:
        self.answers: Final = False
        self._descriptor: Final = descriptor

    def send(self, data: bytes) -> None:
        """Send all of it."""
        at = memoryview(data)
        while at:
            at = at[os.write(self._descriptor, at) :]

    def receive(self, size: int) -> bytes:
        """Return as many bytes; BadInput if they end before."""
        pieces = []
        while size:
            piece = os.read(self._descriptor, size)
            if not piece:
                raise _ended()
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def commit(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def abort(self) -> None:
        """Close it."""
        with suppress(OSError):
            os.close(self._descriptor)


class NewFile(FileChannel):
    """A file that has its name when it is whole and on the disk, and not before."""

    def __init__(self, path: str) -> None:
        self._path: Final = path
        self._part: Final = f"{path}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        self._new: Final = os.open(self._part, flags, OWNER_ONLY)
        super().__init__(self._new)

    def commit(self) -> None:
        """Give it its name."""
        os.fsync(self._new)
        os.rename(self._part, self._path)
        super().commit()

    def abort(self) -> None:
        """Delete it."""
        super().abort()
        with suppress(OSError):
            os.unlink(self._part)


class CommandChannel(FileChannel):
    """The input or output of a shell's command."""

    def __init__(self, command: str, *, takes: bool) -> None:
        self._process: Final = subprocess.Popen(
            command,
            shell=True,
            start_new_session=True,
            stdin=subprocess.PIPE if takes else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if takes else subprocess.PIPE,
        )
        pipe = self._process.stdin if takes else self._process.stdout
        assert pipe is not None
        self._pipe: Final = pipe
        super().__init__(pipe.fileno())

    def commit(self) -> None:
        """Wait for the command's end; BadInput if it says that it failed."""
        self._pipe.close()
        code = self._process.wait()
        if code:
            raise BadInput(f"the command ended with {code}")

    def abort(self) -> None:
        """Kill it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._pipe.close()


def connect(address: Address) -> Channel:
    """Return the way to where a guest is to go."""
    match address:
        case Unix(path):
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connected.settimeout(CONNECTING)
                connected.connect(path)
            except OSError:
                connected.close()
                raise
            return SocketChannel(connected, PATIENCE)
        case Tcp(host, port):
            return SocketChannel(socket.create_connection((host, port), CONNECTING), PATIENCE)
        case InFile(path):
            return (
                NewFile(path) if _is_new_or_file(path) else FileChannel(os.open(path, os.O_WRONLY))
            )
        case Command(command):
            return CommandChannel(command, takes=True)
        case Descriptor(number):
            return _inherited(number)
        case _:
            assert_never(address)


class Door:
    """Where a guest may come in, once; BadInput if it can't be there.

    ``close`` may be called by another thread.
    """

    def __init__(self, address: Address) -> None:
        self._address: Final = address
        self._file: SocketFile | None = None
        self._listening: socket.socket | None = None
        if isinstance(address, Unix):
            self._file = SocketFile(address.path, "socket")
            self._listening = self._file.listen()
        elif isinstance(address, Tcp):
            self._listening = listen(address.host, address.port, 1)

    def accept(self) -> Channel:
        """Return the way by which a guest comes, when somebody is there."""
        if self._listening is not None:
            self._listening.settimeout(None)
            connected, _ = self._listening.accept()
            self.close()
            return SocketChannel(connected, None)
        match self._address:
            case InFile(path):
                return FileChannel(os.open(path, os.O_RDONLY))
            case Command(command):
                return CommandChannel(command, takes=False)
            case Descriptor(number):
                return _inherited(number)
            case _:
                raise AssertionError(self._address)

    def close(self) -> None:
        """Let nobody in any more."""
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
        if self._file is not None:
            self._file.remove()


def _is_new_or_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        return True


def _inherited(number: int) -> Channel:
    if stat.S_ISSOCK(os.fstat(number).st_mode):
        return SocketChannel(socket.socket(fileno=number), PATIENCE)
    return FileChannel(number)


def _ended() -> BadInput:
    return BadInput("the stream ends before the guest is whole")
