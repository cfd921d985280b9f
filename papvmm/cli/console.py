"""The guest's console on the process's stdin and stdout."""

import asyncio
import os
import stat
import termios
import tty
from types import TracebackType
from typing import Final, Self

from papvmm.cli.output import Output
from papvmm.machine.machine import Machine

ESCAPE: Final = 0x01
"""^A begins a command, as with QEMU's -nographic: ^A x quits, ^A ^A is ^A, ^A h lists them."""

HELP: Final = b"\r\n^A h  this help\r\n^A x  quit papvmm\r\n^A ^A send ^A\r\n"
CHUNK: Final = 65536
PATIENCE: Final = 0.02
"""Seconds until a pipe is read again whose last ``CHUNK`` the guest has not read yet."""


STDIN: Final = 0


def is_terminal() -> bool:
    """Tell whether somebody types."""
    return os.isatty(STDIN)


class Console:
    """Feeds stdin to a machine's guest, shows help on ``output``; restores the terminal.

    The end of input stops nothing.
    """

    def __init__(self, machine: Machine, output: Output) -> None:
        self._machine: Final = machine
        self._vty: Final = machine.guest.console
        self._output: Final = output
        self._escaped = False
        self._saved: list[int | list[bytes | int]] | None = None
        self._reads = False
        self._pause: asyncio.TimerHandle | None = None
        self._is_terminal: Final = is_terminal()

    async def __aenter__(self) -> Self:
        mode = os.fstat(STDIN).st_mode
        if self._is_terminal:
            self._saved = termios.tcgetattr(STDIN)
            tty.setcbreak(STDIN)
        if stat.S_ISREG(mode):
            self._read_all()
        elif self._is_terminal or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
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
            termios.tcsetattr(STDIN, termios.TCSADRAIN, self._saved)

    def _read_all(self) -> None:
        with open(STDIN, "rb", closefd=False) as file:
            self._machine.feed(file.read())

    def _read(self) -> None:
        if not self._is_terminal and len(self._vty.input) >= CHUNK:
            self._stop_reading()
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(PATIENCE, self._begin_reading)
            return
        keys = os.read(STDIN, CHUNK)
        if not keys:
            self._stop_reading()
        elif self._is_terminal:
            self._machine.feed(self._without_commands(keys))
        else:
            self._machine.feed(keys)

    def _begin_reading(self) -> None:
        asyncio.get_running_loop().add_reader(STDIN, self._read)
        self._reads = True

    def _stop_reading(self) -> None:
        if self._reads:
            asyncio.get_running_loop().remove_reader(STDIN)
            self._reads = False

    def _without_commands(self, keys: bytes) -> bytes:
        typed = bytearray()
        for key in keys:
            if self._escaped:
                self._escaped = False
                if key == ESCAPE:
                    typed.append(key)
                elif key in b"xX":
                    self._machine.quit("console")
                else:
                    self._output.write(HELP)
            elif key == ESCAPE:
                self._escaped = True
            else:
                typed.append(key)
        return bytes(typed)
