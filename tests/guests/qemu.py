"""Runs a guest on QEMU's pseries machine, the other hypervisor that implements PAPR."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

QEMU = "qemu-system-ppc64"
MACHINE = "pseries,accel=tcg,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off"
RESET_VECTOR = 0x100
BRANCH_TO_KERNEL = (0x48000000 | 0x400000 - RESET_VECTOR).to_bytes(4, "big")


def run_on_qemu(image: Path, *arguments: str) -> str:
    """The console of a guest that runs to its end; it must have switched the machine off.

    The boot ROM is one branch to the image, so QEMU enters it as papvmm does: big-endian, real
    mode, r3 = device tree.
    """
    if shutil.which(QEMU) is None:
        pytest.fail(f"{QEMU} is not installed: oracle tests need it (Debian: qemu-system-ppc)")
    with tempfile.NamedTemporaryFile() as stub:
        stub.write(bytes(RESET_VECTOR) + BRANCH_TO_KERNEL)
        stub.flush()
        command = [
            *(QEMU, "-nodefaults", "-display", "none", "-serial", "stdio"),
            *("-machine", f"{MACHINE},kernel-addr=0", "-bios", stub.name, "-kernel", str(image)),
            *arguments,
        ]
        run = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
    assert run.returncode == 0, run.stderr
    return run.stdout
