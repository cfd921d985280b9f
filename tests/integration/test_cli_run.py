"""``papvmm run`` as a shell sees it: streams, signals and exit codes."""

import fcntl
import os
import re
import shlex
import signal
import subprocess
import sys
import time

import pytest

from tests.shell import IMAGES, PAPVMM, papvmm, running


def test_the_console_is_all_there_is_on_stdout():
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16)

    assert done.stdout.splitlines()[0] == b"hello from a big-endian guest"
    assert (done.stdout[-1:], done.stderr, done.returncode) == (b"\n", b"", 0)


def test_kernel_and_positional_image_are_the_same():
    named = papvmm("run", "-kernel", IMAGES / "hello-le.elf", "-m", "16M", "-nographic")
    plain = papvmm("run", IMAGES / "hello-le.elf", "-m", "16")

    assert named.stdout == plain.stdout != b""


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["run"], 2, "no kernel: give an ELF image"),
        (["run", "/nowhere.elf"], 65, "/nowhere.elf: No such file or directory"),
        (["run", __file__], 65, "is not an ELF file"),
        (["run", sys.executable], 65, "papvmm runs 64-bit ELFs for ppc64 (21)"),
        (["run", IMAGES / "hello-be.elf", "-m", "1"], 65, "give at least -m"),
        (["run", IMAGES / "hello-be.elf", "-smp", "0"], 2, "a machine has 1 to 64"),
        (["run", "-m", "lots"], 2, "is no memory size"),
        (["run", IMAGES / "hello-be.elf", "--timeout", "nan"], 2, "is no number of seconds"),
        (["run", IMAGES / "hello-be.elf", "--seed", "-1"], 2, "is not between 0 and 2^64 - 1"),
        (["run", "/dev/zero"], 65, "is a device, which may have no end"),
        (["areas", "/dev/zero"], 65, "is a device, which may have no end"),
        (["one-reg", "get", "socket"], 2, "are required: VCPU, REGISTER"),
        (["demo", "nope"], 2, "invalid choice: 'nope'"),
        (["run", "-gdb", "tcp:1234"], 2, "write tcp:[HOST]:PORT"),
        (["run", "-vnc", ":0"], 2, "has no option -vnc"),
        (["run", "--next-kernle", "x"], 2, "is it --next-kernel?"),
        (["run", "-accel", "tcg"], 2, "there is native, python"),
        (["run", "-M", "powernv"], 2, "papvmm is a pseries"),
        (["walk"], 2, "there is no command 'walk'"),
    ],
)
def test_a_users_mistake_is_one_clear_line_and_an_exit_code(args, code, says):
    done = papvmm(*args)

    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (code, b"")
    assert line.startswith("papvmm: ")
    assert says in line


def test_a_reset_ends_the_process_with_32_if_asked_to():
    done = papvmm("run", IMAGES / "kernel-a.elf", "-m", 16, "-no-reboot")

    assert done.returncode == 32
    assert b"the guest asked for a reset" in done.stderr


def test_the_oops_of_old_kvm_is_reported_as_a_crash_of_the_host():
    done = papvmm("run", IMAGES / "oops.elf", "-m", 16, "--hv", "kvm-3.6")

    assert done.returncode == 33
    assert re.match(rb"papvmm: the host crashed @ [\d,]+: kvm-3.6 initialised", done.stderr)


def test_the_oops_guest_is_fine_since_v3_7():
    assert papvmm("run", IMAGES / "oops.elf", "-m", 16, "--hv", "kvm-3.7").returncode == 0


def test_a_refused_unregistration_at_reset_is_said_on_stderr():
    done = papvmm(
        "run", IMAGES / "kernel-a.elf", "-m", 16, "--next-kernel", IMAGES / "kernel-b.elf",
        "--hv", "kvm-3.7", "--reset-dtl-len", 0,
    )  # fmt: skip

    assert b"vcpu0: unregistering its areas by ONE_REG at reset failed with EINVAL" in done.stderr
    assert b"words changed" in done.stdout


@pytest.mark.parametrize(
    ("sent", "code"),
    [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGQUIT, 131), (signal.SIGTERM, 143)],
    ids=["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"],
)
def test_a_signal_ends_a_busy_guest_at_once(sent, code, tmp_path):
    process = running(IMAGES / "hibernate.elf", "-m", 16, "-append", "rounds=100000000")
    begun = time.monotonic()
    process.send_signal(sent)
    _, said = process.communicate(timeout=10)

    assert process.returncode == code
    assert time.monotonic() - begun < 2
    assert b"Traceback" not in said


def test_a_guest_that_starts_paused_does_not_run():
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, "-S", "--timeout", 0.5)

    assert (done.returncode, done.stdout) == (124, b"")
    assert b"--timeout passed @ 0" in done.stderr


def test_a_timeout_is_124():
    done = papvmm(
        "run", IMAGES / "hibernate.elf", "-m", 16, "-append", "rounds=100000000", "--timeout", 0.5
    )

    assert done.returncode == 124
    assert b"--timeout passed" in done.stderr


TALKATIVE = (IMAGES / "hibernate.elf", "-m", 16, "-append", "rounds=0 period=1")


def unread(*args):
    """Start a guest that prints for ever into a small pipe, and wait until that is full."""
    process = running(*TALKATIVE, *args)
    fcntl.fcntl(process.stdout, fcntl.F_SETPIPE_SZ, 4096)
    time.sleep(1)
    return process


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_guest_whose_output_nobody_reads(sent):
    process = unread()
    begun = time.monotonic()
    process.send_signal(sent)

    assert process.wait(timeout=10) == 128 + sent
    assert time.monotonic() - begun < 2
    process.communicate()


def test_a_guest_whose_output_nobody_reads_can_be_looked_at_and_loses_nothing(tmp_path):
    socket = tmp_path / "qmp"
    process = unread("-qmp", f"unix:{socket},server=on,wait=off")

    done = papvmm("one-reg", "get", socket, 0, "VPA_ADDR")

    rounds = [int(process.stdout.readline().split()[2].rstrip(b":")) for _ in range(300)]
    process.kill()
    process.communicate()
    assert done.returncode == 0, done.stderr
    assert rounds == list(range(rounds[0], rounds[0] + 300))


def test_a_closed_stdout_is_no_traceback():
    reader, writer = os.pipe()
    os.close(reader)
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, capture_output=False, stdout=writer,
                  stderr=subprocess.PIPE)  # fmt: skip
    os.close(writer)

    assert b"Traceback" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize("descriptors", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_streams_hold_no_guest_up(descriptors, tmp_path):
    socket, (python, *rest) = tmp_path / "qmp", PAPVMM
    line = shlex.join([python, *rest, "run", str(IMAGES / "hello-be.elf"), "-m", "16"])
    done = subprocess.run(
        ["bash", "-c", f"exec {line} -qmp unix:{socket},server=on,wait=off {descriptors}"],
        capture_output=True, timeout=60, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, b"")
    assert (b"goodbye" in done.stdout) == ("1>" not in descriptors)


@pytest.mark.parametrize(
    "args",
    [["run", IMAGES / "hello-be.elf", "-m", 16], ["dis", IMAGES / "smp.elf"], ["--version"]],
    ids=["run", "dis", "--version"],
)
def test_output_that_fits_nowhere_is_one_clear_line(args):
    with open("/dev/full", "wb") as full:
        done = papvmm(*args, capture_output=False, stdout=full, stderr=subprocess.PIPE)

    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 1
    assert "No space left on device" in line


def test_input_that_no_guest_reads_does_not_pile_up():
    """``yes | papvmm run`` took 20 MB more of memory every second."""
    process = running("-m", 16, IMAGES / "hibernate.elf", "-append", "rounds=100000000",
                      stdin=subprocess.PIPE)  # fmt: skip
    os.set_blocking(process.stdin.fileno(), False)
    piece, taken, ends = bytes(65536), 0, time.monotonic() + 1
    while time.monotonic() < ends:
        taken += process.stdin.write(piece) or 0
        time.sleep(0.001)
    process.kill()
    process.communicate()

    assert taken < 1 << 20


def test_an_interrupt_at_any_moment_is_no_traceback():
    code = "import papvmm.cli.main as main\ndef interrupted(argv): raise KeyboardInterrupt\n"
    code += "main.dispatch = interrupted\nmain.main()"
    done = subprocess.run((sys.executable, "-c", code), capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")


def test_version_is_quick_and_imports_next_to_nothing():
    done = papvmm("--version")
    code = "import sys; sys.argv = ['papvmm', '--version']\nfrom papvmm.cli.main import dispatch\n"
    code += "dispatch(['--version']); print(*sorted(set(sys.modules) & {'asyncio', 'argparse',"
    code += " 'papvmm.machine', 'elftools', 'uvloop', 'json'}))"
    imported = subprocess.run((sys.executable, "-c", code), capture_output=True, check=True)

    assert done.stdout.startswith(b"papvmm ")
    assert imported.stdout.splitlines()[1:] == [b""]


@pytest.mark.parametrize(
    ("image", "options", "code"),
    [("kernel-a", ["-no-reboot"], 0), ("hello-be", [], 0), ("kernel-a", ["-smp", "0"], 1)],
)
def test_harnesses_see_the_exit_codes_of_qemu(image, options, code):
    """QEMU 7.2: a reset that is not to be made ends it as it was told to."""
    command = [sys.executable, "-c", "from papvmm.cli.qemu_shim import main; main()"]

    done = subprocess.run(
        [*command, "-kernel", IMAGES / f"{image}.elf", "-m", "16", *options],
        check=False, capture_output=True, stdin=subprocess.DEVNULL,
    )  # fmt: skip

    assert done.returncode == code


def test_a_trace_that_can_not_be_written_is_said_at_once(tmp_path):
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, "--trace", tmp_path / "no" / "t")
    assert done.returncode == 65
    assert done.stderr.decode() == f"papvmm: {tmp_path}/no/t: No such file or directory\n"


def test_a_guest_goes_on_when_there_is_no_room_for_its_trace():
    done = papvmm("run", IMAGES / "hello-be.elf", "-m", 16, "--trace", "/dev/full")
    assert done.returncode == 0
    assert b"papvmm: the trace ends early: /dev/full: No space left on device" in done.stderr
