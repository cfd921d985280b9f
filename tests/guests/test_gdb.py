"""Guests under gdb-multiarch itself."""

import re
import subprocess
import time

import pytest

from tests.guests.gdb import values, waiting
from tests.guests.qemu import MACHINE, QEMU
from tests.shell import IMAGES

pytestmark = pytest.mark.oracle

START = 0x400000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gdb"


@pytest.mark.parametrize("order", ["big", "little"])
def test_registers_breakpoints_steps_and_symbols(path, order):
    image = IMAGES / f"hello-{order[0]}e.elf"
    with waiting(image, path, order=order) as guest:
        told = guest.gdb(
            "break cede", "continue", "info registers pc lr", "stepi", "info registers pc",
            "x/2i cede", "delete", "continue", "continue",
        )  # fmt: skip
        code, console = guest.end()

    before, after = values(told, "pc")
    assert f"Breakpoint 1, 0x{before:016x} in cede ()" in told
    assert after == before + 4
    assert "<cede>:" in told
    assert "exited normally" in told
    assert code == 0
    assert console.endswith("goodbye\n")


def test_a_start_before_the_first_instruction(path):
    with waiting(IMAGES / "hello-be.elf", path) as guest:
        told = guest.gdb("info registers", "p $vs3.uint128", "p $vr2.v4_int32", "p $f1", "kill")
        code, console = guest.end()

    assert values(told, "pc") == [START]
    assert values(told, "msr") == [0x8000000000001000]
    assert values(told, "dec") == [0x7FFFFFFF]
    assert values(told, "pvr") == [0x004E1202]
    assert "$1 = 0\n" in told
    assert "$2 = {0, 0, 0, 0}" in told
    assert (code, console) == (0, "")


def test_vcpus_are_threads_with_their_areas(path):
    with waiting(IMAGES / "smp.elf", path, "-smp", "2") as guest:
        told = guest.gdb(
            "break rtas_stop_self", "continue", "info threads", "thread 1", "info registers papr",
            "p/x $vpa_addr", "p $lppaca_yield_count % 2", "thread 2", "p $lppaca_yield_count % 2",
        )  # fmt: skip

    assert "Thread 1.1 (vcpu0" in told
    assert "* 2    Thread 1.2 (vcpu1 RUNNING vpa=" in told
    assert values(told, "vpa_addr") == values(told, "vpa_pinned")
    assert f"$1 = {values(told, 'vpa_addr')[0]:#x}" in told
    assert "$2 = 1" in told
    assert "$3 = 0" in told


REBOOT = ("-smp", "2", "-m", "16", "--areas-on-reset", "keep", "--next-kernel")


def test_the_store_that_corrupts_the_next_kernel_is_found_from_later_on(path):
    """Whose byte is this, who wrote it, when, and the moment before."""
    kernel_b = IMAGES / "kernel-b.elf"
    with waiting(IMAGES / "kernel-a.elf", path, *REBOOT, str(kernel_b)) as guest:
        guest.image = kernel_b
        told = guest.gdb(
            f"break *{START:#x}", "continue", "delete",
            "break new_kernel_report", "continue", "delete", "watch *(int*)0x600100",
            "reverse-continue", "x/i $pc", "info threads", "delete", "reverse-continue",
            "info registers pc",
        )  # fmt: skip

    assert "hypervisor: vcpu0 lppaca.yield_count" in told
    assert ", VPA registered by kernel-a.elf @ 13,851 (STALE)" in told
    assert "hit Hardware watchpoint 3: *(int*)0x600100" in told
    assert "<hcall>:\tsc      1" in told
    assert "No more reverse-execution history." in told
    assert values(told, "pc")[-1] == START


@pytest.mark.parametrize("order", ["big", "little"])
def test_the_way_back(path, order):
    image = IMAGES / f"hello-{order[0]}e.elf"
    with waiting(image, path, order=order) as guest:
        told = guest.gdb(
            "break cede", "continue", "info registers pc", "stepi", "stepi", "reverse-stepi",
            "info registers pc", "reverse-stepi", "info registers pc", "break *printf+8",
            "reverse-continue", "continue", "info registers pc", "delete", "continue", "continue",
        )  # fmt: skip
        code, console = guest.end()

    first, after, again, last = values(told, "pc")
    assert (after, again, last) == (first + 4, first, first)
    assert "\nBreakpoint 2, 0x" in told
    assert code == 0
    assert console.count("hello from") == 1
    assert console.endswith("goodbye\n")


def test_a_step_in_a_thread_that_waits_is_one_of_that_thread(path):
    with waiting(IMAGES / "smp.elf", path, "-smp", "2") as guest:
        told = guest.gdb(
            "break rtas_stop_self", "continue", "stepi", "reverse-stepi", "delete", "thread 1",
            "stepi", "thread", "reverse-stepi", "thread",
        )  # fmt: skip

    assert "received signal" not in told
    assert "[Switching to thread 1 (Thread 1.1)]" in told
    assert told.count("[Current thread is 1 (Thread 1.1)]") == 2


def test_memory_and_registers_are_written(path):
    with waiting(IMAGES / "hello-be.elf", path) as guest:
        told = guest.gdb(
            "break *printf+8", "continue", "set {long}$r3 = 0x6764622025640a00", "set $r4 = 42",
            "finish", "x/s $r3", "delete", "continue", "continue",
        )  # fmt: skip
        code, console = guest.end()

    assert console.startswith("gdb 42")
    assert "exited normally" in told
    assert code == 0


def test_a_debugger_that_detaches(path):
    with waiting(IMAGES / "hello-be.elf", path) as guest:
        guest.gdb("stepi", "break cede", "detach")
        code, console = guest.end()

    assert code == 0
    assert console.endswith("goodbye\n")


def test_a_guest_that_crashes_has_an_exit_code(path):
    with waiting(IMAGES / "oops.elf", path, "--hv", "kvm-3.6") as guest:
        told = guest.gdb("continue", "reverse-stepi", "x/i $pc", "continue", "continue")
        code, _ = guest.end()

    assert code == 33
    assert told.count("Program received signal SIGABRT") == 2
    assert "=> " in told
    assert "the host crashed @" in told
    assert "exited with code 041" in told


def described(told):
    """Return the registers of gdb's own features, with their bits, as gdb was told."""
    features = re.findall(r'<feature name="org.gnu.gdb.power.(.*?)</feature>', told, re.DOTALL)
    return dict(re.findall(r'<reg name="(.*?)" bitsize="(.*?)"', "".join(features)))


def test_the_registers_of_gdbs_features_are_those_qemu_has(path, tmp_path):
    qemu = (QEMU, "-nodefaults", "-display", "none", "-machine", MACHINE, "-S")
    socket = tmp_path / "qemu"
    with waiting(IMAGES / "hello-be.elf", path) as guest:
        mine = described(guest.gdb("maint print xml-tdesc", "kill"))
        with subprocess.Popen((*qemu, "-gdb", f"unix:{socket},server=on,wait=off")):
            while not socket.exists():
                time.sleep(0.01)
            guest.path = socket
            theirs = described(guest.gdb("maint print xml-tdesc", "kill"))

    assert len(theirs) == 32 + 6 + 33 + 34 + 32
    assert (theirs.pop("fpscr"), mine.pop("fpscr")) == ("32", "64"), "POWER6 made it wider"
    assert mine == theirs
