"""Files that clients hand over through the control socket (SCM_RIGHTS)."""

import asyncio
import json
import os
import socket

import pytest

from papvmm.control.received_files import MOST
from tests.guest_programs import FOREVER, guest_running
from tests.qmp import served


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


class Giver:
    """A client that hands files over."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.says({"execute": "qmp_capabilities"})

    def says(self, message, *descriptors):
        data = json.dumps(message).encode() + b"\n"
        socket.send_fds(self.socket, [data], descriptors)
        while "event" in (answer := json.loads(self.lines.readline())):
            pass
        return answer

    def leave(self):
        self.lines.close()
        self.socket.close()


def getfd(name):
    return {"execute": "getfd", "arguments": {"fdname": name}}


def closefd(name):
    return {"execute": "closefd", "arguments": {"fdname": name}}


async def with_giver(path, act):
    """Return what ``act`` does in a thread of its own, with a client of a guest's."""

    def converse():
        giver = Giver(path)
        try:
            return act(giver)
        finally:
            giver.leave()

    async with served(guest_running(FOREVER), path):
        return await asyncio.to_thread(converse)


async def test_a_file_gets_a_name_and_is_closed_by_it(path):
    reading, writing = os.pipe()

    def act(giver):
        named = giver.says(getfd("one"), writing)
        os.close(writing)
        return named, giver.says(closefd("one")), os.read(reading, 1), giver.says(closefd("one"))

    named, closed, end, missing = await with_giver(path, act)
    os.close(reading)

    assert (named, closed, end) == ({"return": {}}, {"return": {}}, b"")
    assert "'one' not found" in missing["error"]["desc"]


@pytest.mark.parametrize("name", ["1st", "", "a b", "x" * 101])
async def test_names_that_are_none_are_refused(path, name):
    answer = await with_giver(path, lambda giver: giver.says(getfd(name), 0))

    assert "name" in answer["error"]["desc"]


async def test_a_name_without_a_file_is_refused(path):
    answer = await with_giver(path, lambda giver: giver.says(getfd("one")))

    assert "SCM_RIGHTS" in answer["error"]["desc"]


async def test_files_of_a_client_that_has_left_are_closed(path):
    reading, writing = os.pipe()

    def act(giver):
        giver.says(getfd("one"), writing, writing)
        giver.says(getfd("one"), writing)
        os.close(writing)

    await with_giver(path, act)

    assert os.read(reading, 1) == b""
    os.close(reading)


async def test_a_client_has_so_many_files_and_no_more(path):
    def act(giver):
        return [giver.says(getfd(f"file{number}"), 0) for number in range(MOST + 1)]

    *named, refused = await with_giver(path, act)

    assert named == [{"return": {}}] * MOST
    assert f"{MOST} files" in refused["error"]["desc"]
