"""The monitor's server: a UNIX socket at which people and their scripts type commands.

It is a line at a time, without echo: ``socat - UNIX-CONNECT:PATH`` is the terminal for it.
"""

import asyncio
import socket
from functools import partial
from typing import Final

from papvmm.control.connection import Connection
from papvmm.control.control import Control
from papvmm.control.hmp.monitor import human
from papvmm.control.listener import Listener
from papvmm.control.socket_address import SocketAddress
from papvmm.control.version import PACKAGE

LONGEST_LINE: Final = 4096
"""Bytes of the longest line."""
AT_ONCE: Final = 16
"""Lines that are answered between two turns of the guest, if they came at once."""
BACKLOG: Final = 1 << 20
PROMPT: Final = "(qemu) "
"""QEMU's: scripts wait for it."""
GREETING: Final = f"{PACKAGE} monitor - type 'help' for more information\n"


class MonitorServer(Listener["Typist"]):
    """Serves a machine: ``async with MonitorServer(address, control): …``."""

    def __init__(self, address: SocketAddress, control: Control) -> None:
        super().__init__(address, control.machine, partial(Typist, control))


class Typist:
    """One client: lines in, answers out; one that reads too little is cut off."""

    def __init__(self, control: Control, connected: socket.socket) -> None:
        self._control: Final = control
        self._connection: Final = Connection(connected)
        self._line: Final = bytearray()
        self._is_too_long = False
        self._vcpu_id = 0
        """The vcpu that commands are about."""

    async def converse(self) -> None:
        """Serve the client until it leaves, or is cut off."""
        self._say(GREETING + PROMPT)
        try:
            while data := (await self._connection.receive()).data:
                *lines, rest = data.split(b"\n")
                for number, line in enumerate(lines):
                    if number % AT_ONCE == 0:
                        await asyncio.sleep(0)
                    if self._connection.is_closed:
                        return
                    self._collect(line)
                    self._say(await self._answer() + PROMPT)
                self._collect(rest)
            await self._connection.close()
        finally:
            self._connection.abort()

    async def close(self) -> None:
        """Let the client have what is on its way, and hang up."""
        await self._connection.close()

    def abort(self) -> None:
        """Hang up."""
        self._connection.abort()

    def _collect(self, data: bytes) -> None:
        self._line.extend(data[: LONGEST_LINE + 1])
        self._is_too_long = self._is_too_long or len(self._line) > LONGEST_LINE
        del self._line[LONGEST_LINE:]

    async def _answer(self) -> str:
        line, is_too_long = self._line.decode(errors="replace"), self._is_too_long
        self._line.clear()
        self._is_too_long = False
        match line.split():
            case _ if is_too_long:
                return "the line is too long\n"
            case ["cpu", number] if number.isdecimal():
                return self._choose(int(number))
            case _:
                return await human(self._control, line, self._vcpu_id)

    def _choose(self, vcpu_id: int) -> str:
        """Let commands be about another vcpu."""
        if self._control.machine.guest.find_vcpu(vcpu_id) is None:
            return "invalid CPU index\n"
        self._vcpu_id = vcpu_id
        return ""

    def _say(self, text: str) -> None:
        if self._connection.backlog > BACKLOG:
            self._connection.abort()
        else:
            self._connection.send(text.replace("\n", "\r\n").encode(errors="replace"))
