"""The guest's console on the process's stdin and stdout."""

import asyncio
import os
import stat
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from papvmm.cli.output import Output
from papvmm.devices.vty import Vty

ESCAPE: Final = 0x01
"""^A begins a command, as with QEMU's -nographic: ^A x quits, ^A ^A is ^A, ^A h lists them."""

HELP: Final = b"\r\n^A h  this help\r\n^A x  quit papvmm\r\n^A ^A send ^A\r\n"
CHUNK: Final = 65536
PATIENCE: Final = 0.02
"""Seconds until a pipe is read again whose last ``CHUNK`` the guest has not read yet."""


class Console:
    """Feeds stdin to a guest's ``vty``, shows help on ``output``; restores the terminal.

    The end of input stops nothing. ``is_terminal`` tells whether somebody types.
    """

    def __init__(self, vty: Vty, output: Output, leave: Callable[[], None]) -> None:
        self._vty: Final = vty
        self._output: Final = output
        self._leave: Final = leave
        self._stdin: Final = 0
        self._escaped = False
        self._saved: list[int | list[bytes | int]] | None = None
        self._reads = False
        self._pause: asyncio.TimerHandle | None = None
        self.is_terminal: Final = os.isatty(self._stdin)

    async def __aenter__(self) -> Self:
        mode = os.fstat(self._stdin).st_mode
        if self.is_terminal:
            self._saved = termios.tcgetattr(self._stdin)
            tty.setcbreak(self._stdin)
        if stat.S_ISREG(mode):
            self._read_all()
        elif self.is_terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            self._begin_reading()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pause is not None:
            self._pause.cancel()
        self._stop_reading()
        if self._saved is not None:
            termios.tcsetattr(self._stdin, termios.TCSADRAIN, self._saved)

    def _read_all(self) -> None:
        with open(self._stdin, "rb", closefd=False) as file:
            self._vty.feed(file.read())

    def _read(self) -> None:
        if not self.is_terminal and len(self._vty.input) >= CHUNK:
            self._stop_reading()
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(PATIENCE, self._begin_reading)
            return
        keys = os.read(self._stdin, CHUNK)
        if not keys:
            self._stop_reading()
        elif self.is_terminal:
            self._vty.feed(self._without_commands(keys))
        else:
            self._vty.feed(keys)

    def _begin_reading(self) -> None:
        asyncio.get_running_loop().add_reader(self._stdin, self._read)
        self._reads = True

    def _stop_reading(self) -> None:
        if self._reads:
            asyncio.get_running_loop().remove_reader(self._stdin)
            self._reads = False

    def _without_commands(self, keys: bytes) -> bytes:
        typed = bytearray()
        for key in keys:
            if self._escaped:
                self._escaped = False
                if key == ESCAPE:
                    typed.append(key)
                elif key in b"xX":
                    self._leave()
                else:
                    self._output.write(HELP)
            elif key == ESCAPE:
                self._escaped = True
            else:
                typed.append(key)
        return bytes(typed)
