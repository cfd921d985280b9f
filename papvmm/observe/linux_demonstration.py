"""The reboot corruption with Linux as the kernel that registers its areas."""

from typing import Final

from papvmm.boot.initramfs import (
    CHARACTER_DEVICE,
    CONSOLE,
    DIRECTORY,
    PROGRAM,
    Member,
    initramfs,
)
from papvmm.machine.config import MIB, AreasOnReset, File, MachineConfig
from papvmm.observe.demonstrations import CURE, image
from papvmm.observe.exhibit import KERNELS, Demonstration, Scene

TITLE: Final = "the reboot corruption, by Linux"

APPEND: Final = "console=hvc0 cryptomgr.notests panic=-1"
"""The command line: self tests of the crypto code are three quarters of a boot."""

LONGEST: Final = 6_000_000_000
"""Instructions in which a Linux should have booted and rebooted."""


def linux(
    kernel: File,
    initrd: File | None = None,
    *,
    append: str = APPEND,
    vcpus: int = 1,
    memory_size: int = 256 * MIB,
) -> Demonstration:
    """Boot Linux, and reboot it into a kernel that checks all RAM: the areas stay, or they go.

    An ``initrd`` of the user's must reboot by itself, as papvmm's own does, which turns on the
    dispatch trace log before.
    """
    keep = MachineConfig(
        memory_size=memory_size,
        vcpus=vcpus,
        kernel=kernel,
        initrd=initrd or own_initrd(),
        append=append,
        next_kernels=(image("check-memory.elf"),),
        areas_on_reset=AreasOnReset.KEEP,
    )
    return Demonstration(
        name="linux",
        title=TITLE,
        story=(
            "Linux registers an lppaca (its name for the VPA) for each cpu, and a dispatch trace"
            " log when somebody wants statistics, and it reboots without deregistering them:"
            " that is the hypervisor's business. A hypervisor that keeps its pointers goes on"
            " storing into memory that is the next kernel's."
        ),
        cure=CURE,
        harmed=Scene("keep", "areas kept at reset", keep, longest=LONGEST),
        cured=Scene(
            "unregister",
            "areas unregistered at reset",
            keep.replace(areas_on_reset=AreasOnReset.UNREGISTER),
            longest=LONGEST,
        ),
        names=KERNELS._replace(before="Linux"),
        given=tuple(file.name for file in (kernel, initrd) if file),
    )


def own_initrd() -> File:
    """Return an initramfs that turns the dispatch trace log on, and reboots."""
    return File(
        "linux-init.cpio",
        initramfs(
            (
                Member("dev", DIRECTORY),
                Member("dev/console", CHARACTER_DEVICE, device=CONSOLE),
                Member("proc", DIRECTORY),
                Member("init", PROGRAM, image("linux-init.elf").data),
            )
        ),
    )
