"""Linux as its controllers see it: through the monitor, drgn, a core file and an NMI."""

import subprocess
import sys
from contextlib import ExitStack

import pytest
from elftools.elf.elffile import ELFFile

from papvmm.control.qmp.client import QmpClient
from tests.guests.linux import PROMPT, QUICK, Console, debian, shell_initramfs

pytestmark = [pytest.mark.linux, pytest.mark.slow]

BANNER = b"Linux version 6.1."
KERNEL = 0xC000_0000_0000_0000
RADIX = ("-cpu", "power9")
HASH = ("-cpu", "power8")


@pytest.fixture
def guest(tmp_path):
    """What the command line says of a guest with a shell and a control socket."""
    kernel = debian()
    (tmp_path / "initrd").write_bytes(shell_initramfs(kernel.busybox))
    return (
        kernel.vmlinux, "-initrd", tmp_path / "initrd", "-m", "512", "-smp", "2",
        "-append", QUICK, "-qmp", f"unix:{tmp_path}/qmp,server=on,wait=off",
        "-action", "panic=pause",
    )  # fmt: skip


@pytest.fixture
def banner():
    """The effective address of linux_banner."""
    with debian().vmlinux.open("rb") as file:
        (symbol,) = ELFFile(file).get_section_by_name(".symtab").get_symbol_by_name("linux_banner")
    return symbol["st_value"]


@pytest.mark.parametrize("cpu", [RADIX, HASH], ids=["radix", "hash"])
def test_linux_is_looked_at_dumped_and_interrupted(guest, banner, tmp_path, cpu):
    core = tmp_path / "core"
    with ExitStack() as stack:
        console = stack.enter_context(Console(*guest, *cpu))
        console.read_until(PROMPT)
        qmp = stack.enter_context(QmpClient(str(tmp_path / "qmp")))
        line = f"x /{len(BANNER)}xb {banner:#x}"
        shown = qmp.execute("human-monitor-command", **{"command-line": line})
        areas = qmp.execute("human-monitor-command", **{"command-line": "info areas"})
        qmp.execute("dump-guest-memory", paging=cpu is RADIX, protocol=f"file:{core}")
        live = drgn(banner - KERNEL, "--qemu", tmp_path / "qmp")
        qmp.execute("inject-nmi")
        console.read_until("Kernel panic - not syncing: System Reset")
        while (status := qmp.execute("query-status"))["running"]:
            pass

    shown_bytes = [int(item, 16) for row in shown.splitlines() for item in row.split()[1:]]
    assert bytes(shown_bytes) == BANNER
    assert areas.count("bytes, registration") >= 2
    assert live == f"ProgramFlags.IS_LINUX_KERNEL|IS_LIVE {BANNER!r}"
    assert drgn(banner - KERNEL, "-c", core) == f"ProgramFlags.IS_LINUX_KERNEL {BANNER!r}"
    assert status["status"] == "guest-panicked"
    assert console.shown.count("Oops: System Reset") == 2


@pytest.mark.oracle
def test_gdb_reads_a_core_file_of_linux_by_the_kernels_own_addresses(guest, tmp_path):
    """The pointer is in .bss, of which vmlinux has no content."""
    core = tmp_path / "core"
    with ExitStack() as stack:
        console = stack.enter_context(Console(*guest))
        console.read_until(PROMPT)
        qmp = stack.enter_context(QmpClient(str(tmp_path / "qmp")))
        qmp.execute("dump-guest-memory", paging=True, protocol=f"file:{core}")

    commands = (f"core-file {core}", "x/s *(char **)&vmcoreinfo_data", "info threads")
    done = subprocess.run(
        ("gdb-multiarch", "-batch", "-nx", guest[0],
         *(argument for command in commands for argument in ("-ex", command))),
        capture_output=True, check=True, text=True,
    )  # fmt: skip

    assert '"OSRELEASE=6.1.' in done.stdout
    assert "LWP 2" in done.stdout


def drgn(banner, *arguments):
    """Return what drgn prints of a Linux kernel, with its banner at a physical address."""
    code = f"print(prog.flags, prog.read({banner:#x}, {len(BANNER)}, True))"
    done = subprocess.run(
        (sys.executable, "-m", "drgn", "-q", *map(str, arguments), "-e", code),
        capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout.splitlines()[-1]
