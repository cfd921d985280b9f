"""An unmodified Debian kernel boots to a shell, and somebody works there."""

import hashlib
import signal
import termios
import time

import pytest

from tests.guests.linux import PROMPT, QUICK, Console, Terminal, debian, shell_initramfs

pytestmark = pytest.mark.linux


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Options that boot Debian 12's kernel to a shell."""
    kernel = debian()
    initrd = tmp_path_factory.mktemp("linux") / "initramfs.cpio"
    initrd.write_bytes(shell_initramfs(kernel.busybox))
    return ("-kernel", kernel.vmlinux, "-initrd", initrd, "-append", QUICK)


@pytest.mark.parametrize(
    ("cpu", "argument", "mmu"),
    [("power9", "", "Radix"), ("power9", "disable_radix", "Hash"), ("power8", "", "Hash")],
)
def test_linux_boots_to_a_shell_and_powers_off(shell, cpu, argument, mmu):
    with Console(*shell, "-cpu", cpu, "-append", f"{QUICK} {argument}") as console:
        console.read_until(PROMPT)
        name = console.run("uname -a")
        about = console.run("cat /proc/cpuinfo")
        console.type("poweroff -f\n")
        code, _ = console.end()

    assert name.startswith("Linux (none) 6.1.")
    assert "ppc64le GNU/Linux" in name
    assert [line.split()[-1] for line in about.splitlines() if line.startswith("MMU")] == [mmu]
    assert code == 0
    assert "reboot: Power down" in console.shown


def test_nothing_is_lost_of_100_kb_that_are_pasted(shell):
    lines = "".join(f"{number:06d} {'the quick brown fox ' * 3}\n" for number in range(1500))

    with Console(*shell) as console:
        console.read_until(PROMPT)
        console.run("stty -echo")
        console.type("cat > /tmp/pasted\n" + lines + "\x04")
        console.read_until(PROMPT)
        told = console.run("sha256sum /tmp/pasted")

    assert len(lines) > 100_000
    assert told.split()[0] == hashlib.sha256(lines.encode()).hexdigest()


def test_ctrl_c_interrupts_a_program_of_the_guest_where_the_terminal_is_its_console(shell):
    with Terminal(*shell, "-nographic") as terminal:
        before = termios.tcgetattr(terminal.terminal)
        terminal.read_until(PROMPT)
        terminal.type("echo begun; sleep 1000\n")
        terminal.read_until("begun\r")
        time.sleep(1)  # until the program is there, and in the foreground
        terminal.type("\x03")
        terminal.read_until(PROMPT)
        terminal.type("\x01x")
        code, _ = terminal.end()

        assert code == 0
        assert termios.tcgetattr(terminal.terminal) == before


def test_a_terminal_is_as_it_was_after_it_was_hung_up(shell):
    with Terminal(*shell) as terminal:
        before = termios.tcgetattr(terminal.terminal)
        terminal.read_until("Linux version")
        within = termios.tcgetattr(terminal.terminal)
        terminal.process.send_signal(signal.SIGHUP)
        code, _ = terminal.end()

        assert code == 129
        assert within != before
        assert termios.tcgetattr(terminal.terminal) == before


def test_what_linux_asked_for_and_did_not_get_is_said_if_somebody_wants_to_know(shell):
    with Console(*shell, "-d", "unimp") as console:
        console.read_until(PROMPT)
        console.type("poweroff -f\n")
        code, said = console.end()

    assert code == 0
    assert "papvmm: hypercall H_QUERY_VAS_CAPABILITIES is not provided: asked for once" in said
    assert "<plpar_hcall_norets+" in said


def test_nothing_is_said_of_what_linux_only_looks_for(shell):
    with Console(*shell) as console:
        console.read_until(PROMPT)
        log = console.run("dmesg")
        console.type("poweroff -f\n")
        _, said = console.end()

    assert "is not provided" not in said
    assert "nvram corruption" not in log
