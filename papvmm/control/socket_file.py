"""The file of a UNIX socket that papvmm listens on: only its owner's, never somebody else's."""

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Final

from papvmm.errors import BadInput

OTHERS: Final = 0o177
"""What nobody but the owner may do, nor anybody execute."""
WAITING: Final = 16
"""Clients that may wait to be accepted."""


class SocketFile:
    """A listening socket's file: made by ``listen``, gone after ``remove``.

    ``purpose`` is what errors call it.
    """

    def __init__(self, path: str, purpose: str = "control socket") -> None:
        self._path: Final = path
        self._name: Final = f"{purpose} {path}"
        self._inode: int | None = None

    def listen(self) -> socket.socket:
        """Return a socket that listens there; BadInput if it can't be.

        A file left behind by a server that is gone is replaced. Anything else that is there
        already stays; a symbolic link is not followed.
        """
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            mask = os.umask(OTHERS)
            try:
                self._bind(listening)
            finally:
                os.umask(mask)
            self._inode = os.lstat(self._path).st_ino
            listening.listen(WAITING)
        except OSError as error:
            listening.close()
            raise BadInput(f"{self._name}: {error.strerror or error}") from None
        except BadInput:
            listening.close()
            raise
        listening.settimeout(0)
        return listening

    def remove(self) -> None:
        """Delete the file, if it is still the one that ``listen`` made."""
        with suppress(FileNotFoundError):
            if os.lstat(self._path).st_ino == self._inode:
                os.unlink(self._path)

    def _bind(self, listening: socket.socket) -> None:
        try:
            listening.bind(self._path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            self._clear_away()
            listening.bind(self._path)

    def _clear_away(self) -> None:
        """Delete the socket that is in the way, if nobody listens on it."""
        if not stat.S_ISSOCK(os.lstat(self._path).st_mode):
            raise BadInput(f"{self._name}: the file is there and is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0)
            outcome = probe.connect_ex(self._path)
        if outcome != errno.ECONNREFUSED:
            raise BadInput(f"{self._name}: another process listens on it")
        os.unlink(self._path)
