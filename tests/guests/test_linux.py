"""An unmodified Debian kernel boots to a shell, and somebody works there."""

import pytest

from tests.guests.linux import PROMPT, QUICK, Console, debian, shell_initramfs

pytestmark = pytest.mark.linux


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Options that boot Debian 12's kernel to a shell."""
    kernel = debian()
    initrd = tmp_path_factory.mktemp("linux") / "initramfs.cpio"
    initrd.write_bytes(shell_initramfs(kernel.busybox))
    return ("-kernel", kernel.vmlinux, "-initrd", initrd)


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
