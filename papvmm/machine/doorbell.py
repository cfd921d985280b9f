"""The doorbell: guest code is interrupted when somebody outside has something to say.

It changes when the event loop has its turn, and nothing that a guest could see.
"""

import os
import select
import threading
from collections.abc import Callable
from typing import Final, Protocol


class HasFileno(Protocol):
    """A socket, say."""

    def fileno(self) -> int:
        """Return the file descriptor."""
        ...


class Doorbell:
    """A thread that calls ``ring`` whenever something comes through a watched socket.

    There is no thread as long as nothing is watched. A socket that is closed is not watched any
    more.
    """

    def __init__(self, ring: Callable[[], None]) -> None:
        self.has_rung = False
        """Set when something has come; whoever answers sets it back."""
        self._ring: Final = ring
        self._thread: threading.Thread | None = None
        self._end = -1
        self._watched: select.epoll | None = None

    def watch(self, socket: HasFileno) -> None:
        """Ring whenever anything new can be read there."""
        if self._watched is None:
            self._watched = self._start(select.epoll())
        self._watched.register(socket, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            os.close(self._end)
            self._thread.join()
            self._thread = None

    def _start(self, watched: select.epoll) -> select.epoll:
        """Start the thread, which ends when the other end of a pipe is closed."""
        ending, self._end = os.pipe()
        watched.register(ending, select.EPOLLHUP)
        self._thread = threading.Thread(
            target=self._wait, args=(watched, ending), name="doorbell", daemon=True
        )
        self._thread.start()
        return watched

    def _wait(self, watched: select.epoll, ending: int) -> None:
        with watched:
            while all(descriptor != ending for descriptor, _ in watched.poll()):
                self.has_rung = True
                self._ring()
        os.close(ending)
