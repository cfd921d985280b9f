"""Feeding the process's stdin to a guest's console, from the event loop."""

import asyncio
from types import TracebackType
from typing import Final, Self

from papvmm.cli.output import Output
from papvmm.cli.stdin import FD, Stdin
from papvmm.machine.machine import Machine

ESCAPE: Final = 0x01
"""^A begins a command, as with QEMU's -nographic: ^A x quits, ^A ^A is ^A, ^A h lists them."""

HELP: Final = b"\r\n^A h  this help\r\n^A x  quit papvmm\r\n^A ^A send ^A\r\n"
CHUNK: Final = 65536
PATIENCE: Final = 0.02
"""Seconds until a pipe is read again whose last ``CHUNK`` the guest has not read yet."""


class Console:
    """Feeds ``stdin`` to a machine's guest, and shows help on ``output``.

    The end of input stops nothing.
    """

    def __init__(self, machine: Machine, stdin: Stdin, output: Output) -> None:
        self._machine: Final = machine
        self._stdin: Final = stdin
        self._vty: Final = machine.guest.console
        self._output: Final = output
        self._escaped = False
        self._reads = False
        self._pause: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        if self._stdin.is_stream:
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

    def _read(self) -> None:
        is_terminal = self._stdin.is_terminal
        if not is_terminal and len(self._vty.input) >= CHUNK:
            self._stop_reading()
            loop = asyncio.get_running_loop()
            self._pause = loop.call_later(PATIENCE, self._begin_reading)
            return
        keys = self._stdin.read(CHUNK)
        if not keys:
            self._stop_reading()
        elif is_terminal:
            self._machine.feed(self._without_commands(keys))
        else:
            self._machine.feed(keys)

    def _begin_reading(self) -> None:
        asyncio.get_running_loop().add_reader(FD, self._read)
        self._reads = True

    def _stop_reading(self) -> None:
        if self._reads:
            asyncio.get_running_loop().remove_reader(FD)
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
