"""``papvmm one-reg``, ``save`` and ``restore``, and the control socket of ``papvmm run``."""

import signal
import socket
import subprocess
import time
from contextlib import contextmanager

import pytest

from papvmm.cli.main import dispatch
from papvmm.control.qmp.client import QmpClient
from papvmm.errors import BadInput
from tests.shell import IMAGES, PAPVMM, papvmm

HIBERNATE = (IMAGES / "hibernate.elf", "-m", "8", "-smp", "2", "-append", "rounds=0")
"""A guest with all areas on two vcpus, that works until it notices that it was restored."""


@contextmanager
def controlled(path, *, stdout=subprocess.DEVNULL):
    """Run the guest with its control socket at ``path``; it has registered its areas."""
    options = ("-qmp", f"unix:{path},server=on,wait=off", "--timeout", "60")
    command = (*PAPVMM, "run", *map(str, HIBERNATE), *options)
    with subprocess.Popen(command, stdout=stdout) as process:
        try:
            until = time.monotonic() + 30
            while not has_areas(path):
                assert time.monotonic() < until
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def has_areas(path):
    try:
        with QmpClient(str(path)) as qmp:
            vcpus = qmp.execute("x-papvmm-query-areas")
    except BadInput:
        return False
    return all(vcpu["dtl"]["index"] for vcpu in vcpus)


@pytest.fixture(scope="module")
def guest(tmp_path_factory):
    """The control socket of a guest that several tests ask."""
    path = tmp_path_factory.mktemp("control") / "qmp"
    with controlled(path):
        yield path


@pytest.fixture
def run(capsys):
    """Run a command in this process; return its exit code, and what it writes."""

    def command(*args):
        code = dispatch([str(arg) for arg in args])
        return code, *capsys.readouterr()

    return command


def test_a_register_is_printed_in_hexadecimal_with_the_names_of_its_parts(guest, run):
    code, vpa, complaint = run("one-reg", "get", guest, 0, "VPA_ADDR")
    _, log, _ = run("one-reg", "get", guest, 1, "0x1040000000000084")

    assert (code, complaint) == (0, "")
    name, address, gpa = vpa.split()
    assert (name, address) == ("KVM_REG_PPC_VPA_ADDR", "address")
    assert int(gpa, 16) % 4096 == 0
    name, address, _, *length = log.split()
    assert (name, address, length) == ("KVM_REG_PPC_VPA_DTL", "address", ["length", "0xff0"])


def test_a_register_that_is_set_is_got_back(guest, run):
    assert run("one-reg", "set", guest, 0, "KVM_REG_PPC_DSCR", "0x10") == (0, "", "")
    assert run("one-reg", "get", guest, 0, "dscr") == (0, "KVM_REG_PPC_DSCR 0x10\n", "")


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (("set", "{guest}", 0, "VPA_ADDR", 0), 1, "KVM_REG_PPC_VPA_ADDR: EINVAL: "),
        (("set", "{guest}", 0, "VPA_SLB", "0x8000"), 1, "KVM_REG_PPC_VPA_SLB: EINVAL: "),
        (("get", "{guest}", 2, "VPA_ADDR"), 1, "there is no vcpu 2; there is 0, 1"),
        (("get", "{guest}", 0, "VPA"), 2, "'VPA' is neither"),
        (("get", "{guest}.not", 0, "VPA_ADDR"), 65, "No such file or directory"),
        (("get", "/dev/null", 0, "VPA_ADDR"), 65, "/dev/null: "),
    ],
)
def test_what_can_not_be_done_is_one_line_and_an_exit_code(guest, run, args, code, says):
    done, said, complaint = run("one-reg", *(str(arg).format(guest=guest) for arg in args))

    assert (done, said) == (code, "")
    assert complaint.count("\n") == 1
    assert complaint.startswith("papvmm: ")
    assert says in complaint


def test_a_directory_with_something_else_in_it_is_not_saved_to(guest, run, tmp_path):
    (tmp_path / "precious").write_text("data")

    code, _, complaint = run("save", guest, tmp_path)

    assert code == 65
    assert complaint.count("\n") == 1
    assert "no saved guest" in complaint


def test_a_guest_that_was_saved_goes_on_and_can_be_saved_again(guest, run, tmp_path):
    assert run("save", guest, tmp_path / "saved") == (0, "", "")
    assert run("save", guest, tmp_path / "saved") == (0, "", "")
    with QmpClient(str(guest)) as qmp:
        assert qmp.execute("query-status") == {"running": True, "status": "running"}


def test_a_guest_hibernates_and_goes_on_in_another_process(run, tmp_path):
    socket, saved = tmp_path / "qmp", tmp_path / "saved"
    with controlled(socket, stdout=subprocess.PIPE) as first:
        assert run("save", "--quit", socket, saved) == (0, "", "")

        said = first.stdout.read()
        assert first.wait(10) == 0
    second = papvmm("restore", saved, "--timeout", "60")
    lines = (said + second.stdout).splitlines()
    rounds = [int(line.split()[2].rstrip(b":")) for line in lines if b"round" in line]
    assert rounds == list(range(1, len(rounds) + 1))
    assert b"hibernate: resumed, log restarted, memory intact" in lines
    assert lines[-1] == b"hibernate: 2 of 2 cpus were resumed, memory intact"
    assert (second.returncode, second.stderr) == (0, b"")


def test_nothing_to_restore_is_one_line(run, tmp_path):
    why = "not a saved guest: manifest.json: No such file or directory"

    assert run("restore", tmp_path) == (65, "", f"papvmm: {tmp_path}: {why}\n")


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, "quit"])
def test_the_socket_is_gone_when_the_guest_is(tmp_path, sent):
    path = tmp_path / "qmp"
    with controlled(path) as process:
        if sent == "quit":
            with QmpClient(str(path)) as qmp:
                qmp.execute("quit")
        else:
            process.send_signal(sent)

        assert process.wait(10) == {"quit": 0, signal.SIGTERM: 143, signal.SIGINT: 130}[sent]
        assert not path.exists()


def test_with_wait_the_guest_starts_when_a_client_has_come(tmp_path):
    path = tmp_path / "qmp"
    command = (
        *PAPVMM,
        "run",
        str(IMAGES / "hello-be.elf"),
        "-m",
        "8",
        "-qmp",
        f"unix:{path},server=on",
    )
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        said = process.stderr.readline()
        time.sleep(0.1)
        assert process.poll() is None

        with socket.socket(socket.AF_UNIX) as client:  # the guest is faster than a greeting
            client.connect(str(path))
            assert process.stdout.readline() == b"hello from a big-endian guest\n"

        assert said == f"papvmm: waiting for a client at {path}\n".encode()
        assert process.wait(10) == 0
