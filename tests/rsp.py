"""A guest under a debugger of a few lines, which speaks gdb's remote protocol."""

import asyncio
from contextlib import asynccontextmanager

from papvmm.cli.outcome import verdict
from papvmm.control.control import Control
from papvmm.control.gdb.address import GdbAddress
from papvmm.control.gdb.debuggee import Debuggee
from papvmm.control.gdb.packets import checksum
from papvmm.control.gdb.server import GdbServer
from papvmm.machine.history import History
from papvmm.machine.machine import Machine

PATIENCE = 30


class Peer:
    """A debugger that acknowledges nothing, and has its replies expanded."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def say(self, text):
        body = text.encode("latin-1")
        self.writer.write(b"$%b#%b" % (body, checksum(body)))

    def interrupt(self):
        self.writer.write(b"\x03")

    async def hear(self):
        """Return the next packet."""
        async with asyncio.timeout(PATIENCE):
            await self.reader.readuntil(b"$")
            body = (await self.reader.readuntil(b"#"))[:-1]
            await self.reader.readexactly(2)
        found = bytearray()
        at = 0
        while at < len(body):
            if body[at] == ord("*"):
                found += found[-1:] * (body[at + 1] - 29)
                at += 2
            else:
                found.append(body[at])
                at += 1
        return found.decode("latin-1")

    async def ask(self, text):
        self.say(text)
        return await self.hear()


@asynccontextmanager
async def debugged(guest, path):
    """Give the machine of a guest that hasn't started, and a debugger that is connected."""
    machine = Machine(guest, attended=True)
    history = History(guest)
    debuggee = Debuggee(Control(machine), lambda outcome: verdict(outcome, guest), history)
    async with machine, GdbServer(GdbAddress(path=str(path)), debuggee), peer_at(path) as peer:
        yield machine, peer


@asynccontextmanager
async def peer_at(path):
    """Give another debugger."""
    peer = Peer(*await asyncio.open_unix_connection(str(path)))
    try:
        yield peer
    finally:
        peer.writer.close()


async def until(is_so):
    """Wait for something that nobody tells."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110
            await asyncio.sleep(0)
