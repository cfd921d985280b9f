"""Files that a client has handed over through its socket, and the names it gave them."""

import os
import re
from collections import deque
from collections.abc import Sequence
from typing import Final

from papvmm.errors import PapvmmError

MOST: Final = 16
"""Files that may wait for a name, and that may have one."""
_NAME: Final = re.compile(r"\D\S{0,99}")


class NoSuchFile(PapvmmError):
    """There is no file of this name, or none that could get it."""


class ReceivedFiles:
    """The files of one client: each waits until it is given a name, and then to be used."""

    def __init__(self) -> None:
        self._unnamed: Final[deque[int]] = deque()
        self._named: Final[dict[str, int]] = {}

    def receive(self, descriptors: Sequence[int]) -> None:
        """Own these file descriptors from now on; those that are too many are closed."""
        for descriptor in descriptors:
            if len(self._unnamed) < MOST:
                self._unnamed.append(descriptor)
            else:
                os.close(descriptor)

    def name(self, name: str) -> None:
        """Give the oldest file that has none a name; one that had it before is closed."""
        if not _NAME.fullmatch(name):
            raise NoSuchFile("a file's name begins with no digit, and has no blanks")
        if not self._unnamed:
            raise NoSuchFile("no file descriptor came with the command (SCM_RIGHTS)")
        if len(self._named) == MOST and name not in self._named:
            raise NoSuchFile(f"{MOST} files have names already: use them, or closefd")
        descriptor = self._unnamed.popleft()
        if name in self._named:
            os.close(self._named[name])
        self._named[name] = descriptor

    def take(self, name: str) -> int:
        """Return the file descriptor, which is the caller's from now on."""
        descriptor = self._named.pop(name, None)
        if descriptor is None:
            raise NoSuchFile(f"file descriptor named '{name}' not found")
        return descriptor

    def close(self) -> None:
        """Close all."""
        for descriptor in (*self._unnamed, *self._named.values()):
            os.close(descriptor)
        self._unnamed.clear()
        self._named.clear()
