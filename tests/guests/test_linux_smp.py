"""An unmodified Debian kernel on several vcpus: shell, reboot, hotplug, dispatch statistics."""

import re
from hashlib import sha256

import pytest

from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.guest import FOREVER
from papvmm.machine.outcome import PoweredOff
from tests.guests.linux import PROMPT, QUICK, SHELL, Console, debian, shell_initramfs

pytestmark = pytest.mark.linux

BUSY = "for n in 1 2 3; do (i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done) & done; wait"
"""A shell command that keeps three processors busy for a while."""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Options that boot Debian 12's kernel to a shell."""
    kernel = debian()
    initrd = tmp_path_factory.mktemp("linux") / "initramfs.cpio"
    initrd.write_bytes(shell_initramfs(kernel.busybox))
    return ("-kernel", kernel.vmlinux, "-initrd", initrd, "-append", f"{QUICK} quiet")


def power_off(console):
    console.type("poweroff -f\n")
    code, _ = console.end()
    assert "reboot: Power down" in console.shown
    return code


@pytest.mark.parametrize(
    ("vcpus", "cpu", "argument"),
    [(2, "power9", ""), (8, "power9", ""), (2, "power9", "disable_radix"), (2, "power8", "")],
)
def test_every_vcpu_comes_up_and_gets_its_interrupts(shell, vcpus, cpu, argument):
    line = ("-append", f"{QUICK} quiet {argument}")
    with Console(*shell[:-2], *line, "-smp", vcpus, "-cpu", cpu) as console:
        console.read_until(PROMPT)
        online = console.run("nproc; cat /sys/devices/system/cpu/online")
        console.run(BUSY)
        timers = re.search(r"LOC:(.*) Local timer", console.run("cat /proc/interrupts"))[1]
        ipis = re.search(r"16:(.*) XICS +2 Edge +IPI", console.run("cat /proc/interrupts"))[1]

        assert online == f"{vcpus}\n0-{vcpus - 1}\n"
        assert [int(count) > 0 for count in timers.split()] == [True] * vcpus
        assert [int(count) > 0 for count in ipis.split()] == [True] * vcpus
        assert power_off(console) == 0


def test_linux_reboots_into_itself(shell):
    with Console(*shell, "-smp", 2) as console:
        for _ in range(2):
            console.read_until(PROMPT)
            assert console.run("nproc") == "2\n"
            console.type("reboot -f\n")
            console.read_until("reboot: Restarting system")
        console.read_until(PROMPT)

        assert power_off(console) == 0


def test_a_vcpu_goes_offline_and_comes_back(shell):
    with Console(*shell, "-smp", 2) as console:
        console.read_until(PROMPT)
        console.run("switch=/sys/devices/system/cpu/cpu1/online")
        for _ in range(3):
            assert console.run("echo 0 > $switch; nproc; cat $switch") == "1\n0\n"
            assert console.run("echo 1 > $switch; nproc; cat $switch") == "2\n1\n"
        assert console.run("taskset 2 sh -c 'echo $((6*7))'") == "42\n"

        assert power_off(console) == 0


def test_linux_counts_its_dispatches_by_the_log(shell):
    """Fields of a line: dispatches, on the same processor, chip, another, a far one; at home."""
    with Console(*shell, "-smp", 2) as console:
        console.read_until(PROMPT)
        console.run("log=/proc/powerpc/vcpudispatch_stats; echo 1 > $log")
        console.run(BUSY)
        lines = console.run("sleep 1; cat $log").splitlines()

        assert [line.split()[0] for line in lines] == ["cpu0", "cpu1"]
        for line in lines:
            total, same, *others, home, near, far = map(int, line.split()[1:])
            assert total > 20
            assert (same, others, home, near, far) == (total, [0, 0, 0], total, 0, 0)
        assert console.run("echo 0 > $log; cat $log") == "off\n"
        assert power_off(console) == 0


def test_the_same_boot_twice_leaves_the_same_bytes():
    """Two runs of a second's work, in which vcpus race for locks and wake each other."""
    kernel = debian()
    init = SHELL.replace("exec setsid cttyhack sh", f"{BUSY}; poweroff -f")
    config = MachineConfig(
        vcpus=2, kernel=File("vmlinux", kernel.vmlinux.read_bytes()),
        initrd=File("initramfs", shell_initramfs(kernel.busybox, init)), append=f"{QUICK} quiet",
    )  # fmt: skip
    ends = []
    for _ in range(2):
        guest = boot(config)
        console = bytearray()
        guest.console.output = console.extend

        assert guest.run(FOREVER) == PoweredOff()

        ends.append((guest.clock.icount, bytes(console), sha256(guest.memory.ram).hexdigest()))

    assert ends[0] == ends[1]
    assert b"reboot: Power down" in ends[0][1]
