"""Live migration between two processes, as people start it."""

import socket
import subprocess
import time
from contextlib import ExitStack

import pytest

from papvmm.control.qmp.client import CommandFailed, QmpClient
from papvmm.errors import BadInput
from tests.shell import IMAGES, PAPVMM, papvmm

HIBERNATE = (IMAGES / "hibernate.elf", "-m", 8, "-smp", 2, "-append", "rounds=0")
LIMIT = ("--timeout", 60)


@pytest.fixture
def start():
    """Start papvmm with arguments; return the process, which is gone after the test."""
    with ExitStack() as stack:

        def start(*args):
            command = (*PAPVMM, *map(str, args))
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
            process = stack.enter_context(subprocess.Popen(command, bufsize=0, **pipes))
            stack.callback(process.kill)
            return process

        yield start


def until(is_so):
    """Wait until something is so that another process brings about."""
    end = time.monotonic() + 60
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)


def listens(path):
    try:
        with QmpClient(str(path)):
            return True
    except BadInput:
        return False


def status_at(qmp):
    return qmp.execute("query-migrate").get("status")


def test_a_guest_goes_on_in_another_process(start, tmp_path):
    here, there, way = (tmp_path / name for name in ("here", "there", "way"))
    source = start("run", *HIBERNATE, *LIMIT, "-qmp", f"unix:{here},server=on,wait=off")
    source.stdout.readline()
    other = start("run", "-m", 8, "-smp", 2, *LIMIT, "-incoming", "defer",
                  "-qmp", f"unix:{there},server=on,wait=off")  # fmt: skip
    until(lambda: listens(there))

    with QmpClient(str(there)) as qmp:
        with pytest.raises(CommandFailed, match="inmigrate can't become running"):
            qmp.execute("cont")
        assert qmp.execute("query-status") == {"running": False, "status": "inmigrate"}
        qmp.execute("migrate-incoming", uri=f"unix:{way}")
    with QmpClient(str(here)) as qmp:
        qmp.execute("migrate", uri=f"unix:{way}")
        until(lambda: status_at(qmp) == "completed")
        assert qmp.execute("query-status") == {"running": False, "status": "postmigrate"}
        figures = qmp.execute("query-migrate")
        assert figures["ram"]["total"] == 8 << 20
        assert figures["ram"]["remaining"] == 0
        assert figures["ram"]["transferred"] > 4096 * figures["ram"]["normal"]
        assert 0 < figures["downtime"] <= figures["total-time"]
        qmp.execute("quit")
    said, complaints = source.communicate()
    said_there, _ = other.communicate()

    assert (source.returncode, other.returncode) == (0, 0)
    lines = (said + said_there).splitlines()
    rounds = [int(line.split()[2].rstrip(b":")) for line in lines if b"round" in line]
    assert rounds == list(range(1, len(rounds) + 1))
    assert b"hibernate: resumed, log restarted, memory intact" in said_there
    assert lines[-1] == b"hibernate: 2 of 2 cpus were resumed, memory intact"
    gone = [line for line in complaints.splitlines() if b"gone to" in line]
    assert len(gone) == 1
    assert gone[0].startswith(f"papvmm: the guest has gone to unix:{way}: down for ".encode())
    assert not way.exists()


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.0\r\n\r\n", b"papvmm\r\n\0\0\0\1\1\0"])
def test_what_is_no_guest_ends_the_destination_with_one_line(start, tmp_path, sent):
    way = tmp_path / "way"
    other = start("run", "-m", 8, "-incoming", f"unix:{way}", *LIMIT)
    until(way.exists)

    with socket.socket(socket.AF_UNIX) as connected:
        until(lambda: connected.connect_ex(str(way)) == 0)
        connected.sendall(sent)
    said, complaints = other.communicate()

    assert (other.returncode, said) == (65, b"")
    mine = [line for line in complaints.splitlines() if b"compiling" not in line]
    assert len(mine) == 1
    assert mine[0].startswith(f"papvmm: no guest has come by unix:{way}: ".encode())


@pytest.mark.parametrize(
    ("uri", "code", "says"),
    [
        ("tape:/dev/st0", 2, b"write unix:PATH, tcp:HOST:PORT"),
        ("tcp:localhost", 2, b"as in tcp:127.0.0.1:4444"),
        ("unix:/no/such/directory", 65, b"No such file or directory"),
        ("file:/no/such/file", 65, b"No such file or directory"),
        ("exec:false", 65, b"ends before the guest is whole"),
    ],
)
def test_where_no_guest_can_come_from_is_one_line(uri, code, says):
    run = papvmm("run", "-m", 8, "-incoming", uri, "-accel", "python", *LIMIT)

    assert run.returncode == code
    assert run.stderr.count(b"\n") == 1
    assert says in run.stderr
