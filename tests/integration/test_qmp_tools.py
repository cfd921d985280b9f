"""Tools that people have for QMP, at a guest: qemu.qmp's shell, and drgn."""

import asyncio
import sys

import pytest

from tests.guest_programs import FOREVER, guest_running
from tests.integration.test_dump import VMCOREINFO, WHAT, busy
from tests.qmp import controlled, served


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


async def told(*arguments, typed=""):
    """Return what a tool prints on either stream, which must be content."""
    tool = await asyncio.create_subprocess_exec(
        sys.executable, "-m", *map(str, arguments),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await asyncio.wait_for(tool.communicate(typed.encode()), 60)
    assert tool.returncode == 0, said
    return said.decode()


async def test_qemus_shell_talks_to_a_guest(path):
    async with served(guest_running(FOREVER, vcpus=2), path, name="toy"):
        typed = "query-name\nquery-status\nx-papvmm-one-reg-get vcpu=1 id=DEC_EXPIRY\nstop now=1\n"

        said = await told("qemu.qmp.qmp_shell", path, typed=typed)

    assert "Connected to QEMU 9.2.0" in said
    assert '{"return": {"name": "toy"}}' in said
    assert '"status": "prelaunch"' in said
    assert "stop has no argument 'now'" in said


async def test_qemus_shell_has_the_monitor(path):
    async with served(guest_running(FOREVER, vcpus=2), path):
        typed = "info status\ncpu 1\ninfo cpus\nxp /2xw 0x1000\nhelp stop\n"

        said = await told("qemu.qmp.qmp_shell", "-H", path, typed=typed)

    assert "VM status: paused (prelaunch)" in said
    assert "* CPU #1" in said
    assert "0000000000001000: 0x394a0001 0x4bfffffc" in said
    assert "stop|s  -- stop emulation" in said


READ = f"print(prog.platform.arch.name, prog.flags, prog.read(0x5000, {len(WHAT)}, True))"


@pytest.mark.oracle
@pytest.mark.parametrize("little_endian", [False, True])
async def test_drgn_reads_a_running_guest(path, little_endian):
    async with served(busy(vcpus=2, little_endian=little_endian), path) as machine:
        machine.resume()

        said = await told("drgn", "-q", "--qemu", path, "-e", READ)

        assert machine.run_state.value == "running"
    assert said.splitlines()[-1] == f"PPC64 ProgramFlags.IS_LIVE {WHAT!r}"


@pytest.mark.oracle
async def test_drgn_takes_a_core_file_for_that_of_a_linux(path, tmp_path):
    guest = busy(vcpus=2)
    guest.memory.write(0x8000, VMCOREINFO)
    async with controlled(guest, path) as (_, qmp):
        core = {"paging": False, "protocol": f"file:{tmp_path}/core"}
        await qmp.execute("dump-guest-memory", core)

    said = await told("drgn", "-q", "-c", tmp_path / "core", "-e", READ)

    assert said.splitlines()[-1] == f"PPC64 ProgramFlags.IS_LINUX_KERNEL {WHAT!r}"
