"""The control socket as a file and as a stream of bytes, for clients of any manners."""

import asyncio
import json
import random
import socket
import stat
from contextlib import asynccontextmanager

import pytest

from papvmm.control.qmp.client import QmpClient
from papvmm.control.socket_address import SocketAddress, parse_address
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.outcome import Paused
from tests.guest_programs import FOREVER, guest_running
from tests.qmp import served

NEGOTIATION = b'{"execute": "qmp_capabilities"}\r\n'
QUESTION = b'{"execute": "query-status", "id": "?"}\r\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy():
    return guest_running(FOREVER, slice_counts=10_000)


def leave_behind(path):
    """Make the file of a server that is gone."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


class Peer:
    """A client made of bytes."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def say(self, text):
        self.writer.write(text)

    def leave(self):
        self.writer.transport.abort()

    async def hear(self):
        return json.loads(await asyncio.wait_for(self.reader.readline(), 10))

    async def hear_return_of(self, tag):
        while (message := await self.hear()).get("id") != tag:
            pass
        return message["return"]


@asynccontextmanager
async def peer_at(path, *, negotiated=True):
    peer = Peer(*await asyncio.open_unix_connection(str(path)))
    assert "QMP" in await peer.hear()
    if negotiated:
        peer.say(NEGOTIATION)
        assert await peer.hear() == {"return": {}}
    yield peer
    peer.leave()


async def test_the_socket_is_its_owners_alone_and_gone_afterwards(path):
    async with served(busy(), path):
        mode = path.stat().st_mode

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert not path.exists()


async def test_a_socket_that_nobody_listens_on_is_replaced(path):
    leave_behind(path)

    async with served(busy(), path), peer_at(path):
        pass


async def test_a_socket_that_is_listened_on_is_not_replaced(path):
    async with served(busy(), path):
        with pytest.raises(BadInput, match="another process listens"):
            async with served(busy(), path):
                pass

        async with peer_at(path):
            pass


async def test_a_file_in_the_way_stays(path):
    path.write_text("precious")

    with pytest.raises(BadInput, match="no socket"):
        async with served(busy(), path):
            pass

    assert path.read_text() == "precious"


@pytest.mark.parametrize("target", ["nowhere", "stale"])
async def test_a_symbolic_link_is_not_followed(path, tmp_path, target):
    leave_behind(tmp_path / "stale")
    path.symlink_to(tmp_path / target)

    with pytest.raises(BadInput, match="no socket"):
        async with served(busy(), path):
            pass

    assert path.is_symlink()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("name", ["no/such/directory/qmp", "x" * 200])
async def test_a_path_that_can_not_be_is_one_line(tmp_path, name):
    with pytest.raises(BadInput) as refused:
        async with served(busy(), tmp_path / name):
            pass

    assert "\n" not in str(refused.value)


async def test_a_file_that_took_the_sockets_place_is_not_removed(path):
    async with served(busy(), path):
        path.unlink()
        path.write_text("precious")

    assert path.read_text() == "precious"


async def test_a_client_that_never_reads_is_cut_off_and_the_guest_runs_on(path):
    async with served(busy(), path) as machine, peer_at(path) as deaf, peer_at(path) as peer:
        machine.resume()

        deaf.say(b'{"execute": "query-commands"}\n' * 100_000)
        peer.say(QUESTION)

        assert (await peer.hear_return_of("?"))["running"]
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(deaf.writer.wait_closed(), 30)
        await machine.pause()
        machine.resume(limit=1000)
        assert await machine.rest() == Paused("limit")


async def test_commands_sent_before_the_end_of_input_are_answered(path):
    async with served(busy(), path), peer_at(path, negotiated=False) as peer:
        peer.say(NEGOTIATION + QUESTION + b'{"execute": "que')
        peer.writer.write_eof()

        answers = [json.loads(line) async for line in peer.reader]

    assert answers[0] == {"return": {}}
    assert answers[1]["id"] == "?"
    assert answers[2]["error"]["class"] == "GenericError"
    assert len(answers) == 3


async def test_no_event_comes_before_the_negotiation_is_done(path):
    async with served(busy(), path) as machine, peer_at(path, negotiated=False) as peer:
        machine.resume()
        await machine.pause()
        peer.say(NEGOTIATION)

        assert await peer.hear() == {"return": {}}
        machine.resume()
        assert (await peer.hear())["event"] == "RESUME"


async def test_a_client_that_never_ends_its_line_keeps_nobody_waiting(path):
    async with served(busy(), path) as machine, peer_at(path) as endless, peer_at(path) as peer:
        machine.resume()
        writing = asyncio.create_task(pour(endless, b" " * 65536))
        for _ in range(20):
            peer.say(QUESTION)

            assert (await peer.hear_return_of("?"))["running"]
        writing.cancel()
        await asyncio.wait([writing])


async def pour(peer, data):
    while True:
        peer.say(data)
        await peer.writer.drain()


async def test_a_client_that_leaves_at_any_moment_harms_nobody(path):
    async with served(busy(), path) as machine:
        machine.resume()
        for _ in range(20):
            async with peer_at(path) as peer:
                peer.say(b'{"execute": "stop"}\n{"execute": "cont"}\n' * 5)

        async with peer_at(path) as peer:
            peer.say(QUESTION)
            assert await peer.hear_return_of("?")


async def test_papvmms_own_client_passes_events_over_and_reports_refusals(path):
    def converse():
        with QmpClient(str(path)) as qmp:
            qmp.execute("cont")
            qmp.execute("stop")
            return qmp.execute("query-status")

    async with served(busy(), path):
        status = await asyncio.to_thread(converse)

    assert status == {"running": False, "status": "paused"}


def test_papvmms_own_client_says_in_one_line_that_nobody_listens(path):
    leave_behind(path)

    for nowhere in (path, path.with_name("nothing")):
        with pytest.raises(BadInput, match=str(nowhere)), QmpClient(str(nowhere)):
            pass


@pytest.mark.parametrize(
    ("text", "wait"),
    [
        ("unix:/a/b", False),
        ("unix:/a/b,server=on,wait=off", False),
        ("unix:/a/b,server,nowait", False),
        ("unix:/a/b,server=on", True),
        ("unix:/a/b,server=on,wait=on", True),
        ("unix:/a/b,wait=on", True),
    ],
)
def test_addresses_are_qemus(text, wait):
    assert parse_address("-qmp", text) == SocketAddress("/a/b", wait)


@pytest.mark.parametrize(
    "text",
    ["", "stdio", "tcp:localhost:4444", "unix:", "unix:,server=on", "unix:a,server=off",
     "unix:a,server=maybe", "unix:a,reconnect=1", "unix:a,"],
)  # fmt: skip
def test_addresses_that_are_none_are_refused(text):
    with pytest.raises(BadUsage, match="-qmp"):
        parse_address("-qmp", text)


async def test_nothing_starts_before_the_first_client_is_there(path):
    async with served(busy(), path) as machine:
        assert machine.run_state.value == "prelaunch"
        async with peer_at(path):
            pass


@pytest.mark.parametrize("seed", range(4))
async def test_200_damaged_conversations_over_the_socket_get_their_answers(path, seed):
    """Each stays a conversation: after the damage a question is answered."""
    generator = random.Random(seed)
    async with served(busy(), path) as machine:
        machine.resume()
        for _ in range(50):
            damaged = bytearray(b'{"execute": "x-papvmm-one-reg-get", "arguments": {"vcpu": 0}}')
            for _ in range(generator.randrange(1, 4)):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)

            async with peer_at(path) as peer:
                peer.say(damaged + b"\n" + QUESTION)

                assert (await peer.hear_return_of("?"))["running"]
