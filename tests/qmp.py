"""A guest under control: its machine, its QMP server, and qemu.qmp, which is QEMU's own client."""

from contextlib import asynccontextmanager

from qemu.qmp import QMPClient

from papvmm.control.control import Control
from papvmm.control.qmp.server import QmpServer
from papvmm.control.socket_address import SocketAddress
from papvmm.machine.machine import Machine
from papvmm.machine.missing import Missing


@asynccontextmanager
async def served(guest, path, *, name=""):
    """Give a machine with a guest that hasn't started, its control socket at ``path``."""
    machine = Machine(guest, attended=True)
    missing = Missing(guest, lambda _: None, everything=True)
    address = SocketAddress(str(path), wait=False)
    control = Control(machine, name, missing)
    async with machine, control.migration, QmpServer(address, control):
        yield machine


@asynccontextmanager
async def client(path):
    """Give a connected client, whose ``events`` queue what comes."""
    qmp = QMPClient("test")
    await qmp.connect(str(path))
    try:
        yield qmp
    finally:
        await qmp.disconnect()


@asynccontextmanager
async def controlled(guest, path):
    """Give the machine, and a client that is connected to it."""
    async with served(guest, path) as machine, client(path) as qmp:
        yield machine, qmp
