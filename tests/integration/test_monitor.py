"""The monitor's own socket, at which people type."""

import asyncio
import socket
import stat
from contextlib import asynccontextmanager

import pytest

from papvmm.control.control import Control
from papvmm.control.hmp.server import LONGEST_LINE, MonitorServer
from papvmm.control.socket_address import SocketAddress
from papvmm.machine.machine import Machine
from tests.guest_programs import FOREVER, guest_running
from tests.shell import IMAGES, running

PROMPT = b"(qemu) "


@pytest.fixture
def path(tmp_path):
    return tmp_path / "monitor"


class Typist:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def hear(self):
        """Return what is said up to the next prompt, in lines."""
        text = await asyncio.wait_for(self.reader.readuntil(PROMPT), 10)
        return text.removesuffix(PROMPT).decode().split("\r\n")[:-1]

    async def type(self, text):
        self.writer.write(text)
        return await self.hear()


@asynccontextmanager
async def typist_at(path):
    typist = Typist(*await asyncio.open_unix_connection(str(path)))
    yield typist
    typist.writer.transport.abort()


@asynccontextmanager
async def monitored(path):
    machine = Machine(guest_running(FOREVER, vcpus=2, slice_counts=10_000), attended=True)
    address = SocketAddress(str(path), wait=False)
    async with machine, MonitorServer(address, Control(machine)), typist_at(path) as typist:
        (greeting,) = await typist.hear()
        assert greeting.startswith("papvmm-")
        yield machine, typist


async def test_commands_are_typed_and_answered(path):
    async with monitored(path) as (machine, typist):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert await typist.type(b"cont\r\n") == []
        assert await typist.type(b"info status\n") == ["VM status: running"]
        assert await typist.type(b"\n") == []
        typist.writer.write(b"xp /1xw 0x100")
        assert await typist.type(b"0\n") == ["0000000000001000: 0x394a0001"]
        assert await typist.type(b"no\xffthing\0\n") == ["unknown command: 'no�thing\0'"]
        typist.writer.write(b"quit\n")
        await machine.end()


async def test_a_vcpu_is_chosen_for_the_commands_that_follow(path):
    async with monitored(path) as (_, typist):
        assert await typist.type(b"cpu 2\n") == ["invalid CPU index"]
        assert (await typist.type(b"info cpus\n"))[0].startswith("* CPU #0")
        assert await typist.type(b"cpu 1\n") == []
        assert (await typist.type(b"info cpus\n"))[1].startswith("* CPU #1")


async def test_a_line_that_is_too_long_is_one_mistake(path):
    async with monitored(path) as (_, typist):
        assert await typist.type(b"x" * (3 * LONGEST_LINE) + b"\n") == ["the line is too long"]
        assert await typist.type(b"info status\n") == ["VM status: paused (prelaunch)"]


async def test_who_reads_nothing_is_cut_off_and_the_guest_runs_on(path):
    async with monitored(path) as (machine, typist), typist_at(path) as deaf:
        machine.resume()
        deaf.writer.write(b"help\n" * 500_000)

        with pytest.raises(ConnectionError):
            await asyncio.wait_for(deaf.writer.wait_closed(), 30)
        assert await typist.type(b"info status\n") == ["VM status: running"]


def test_papvmm_run_listens_for_people(path):
    guest = running(
        IMAGES / "hibernate.elf", "-m", "16", "-append", "rounds=0", "-monitor",
        f"unix:{path},server=on,wait=off",
    )  # fmt: skip
    with guest, socket.socket(socket.AF_UNIX) as typist:
        typist.connect(str(path))
        typist.sendall(b"info areas\nquit\n")
        said = typist.makefile("rb").read()

    assert guest.returncode == 0
    assert b"VPA         0x" in said
