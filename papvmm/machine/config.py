"""What a machine is made from; every field is what a user may say."""

import re
from enum import Enum
from typing import Final

from papvmm.boot.elf import DEFAULT_KERNEL_ADDR
from papvmm.engine.accel import ACCELERATORS, DEFAULT_ACCEL
from papvmm.errors import BadUsage
from papvmm.isa.processors import DEFAULT_MODEL, cpu_model
from papvmm.values import Value

MIB: Final = 1 << 20
MOST_VCPUS: Final = 64
LEAST_MEMORY: Final = 64 << 10
MOST_MEMORY: Final = 64 << 30
HOST_PAGES: Final = (4 << 10, 64 << 10)


_UNITS: Final = {"": MIB, "K": 1 << 10, "M": MIB, "G": 1 << 30}


def parse_size(text: str) -> int:
    """Read ``256``, ``256M``, ``1G`` or ``128K``: bytes, a bare number being MiB as in QEMU."""
    match = re.fullmatch(r"(?:size=)?(\d+)([KMG]?)", text, re.IGNORECASE)
    if match is None:
        raise BadUsage(f"{text!r} is no memory size; write 256, 256M or 1G")
    return int(match[1]) * _UNITS[match[2].upper()]


class AreasOnReset(Enum):
    """What happens to the areas of a vcpu at reset, before its next guest entry."""

    UNREGISTER = "unregister"
    """Unregister them through ONE_REG, as a VMM does since Linux v3.7."""
    KEEP = "keep"
    """Leave them registered, as every VMM had to before: the next kernel is corrupted."""


class OnReboot(Enum):
    """What a reset that the guest asks for does (``-action reboot=``)."""

    RESET = "reset"
    SHUTDOWN = "shutdown"
    PAUSE = "pause"


class OnShutdown(Enum):
    """What a power-off by the guest does (``-action shutdown=``)."""

    POWEROFF = "poweroff"
    PAUSE = "pause"


class OnPanic(Enum):
    """What the panic of a guest does that reports it (``-action panic=``)."""

    SHUTDOWN = "shutdown"
    PAUSE = "pause"
    NONE = "none"
    """The guest goes on, and panics as it pleases."""


class File(Value):
    """The content of a file, and the name to call it by."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"File({self.name!r}, {len(self.data)} bytes)"


class MachineConfig(Value):
    """A machine's configuration; sizes are in bytes.

    ``slice_counts`` is the length of a scheduler slice in instructions, which the guest sees
    as a guest exit and entry. ``rtc_base`` is the date at power-on, in seconds since 1970.
    ``next_kernels`` replace ``kernel`` at the first, second, … reset.
    """

    memory_size: int = 512 * MIB
    vcpus: int = 1
    cpu: str = DEFAULT_MODEL.name
    accel: str = DEFAULT_ACCEL
    hv: str = "kvm"
    hv_page: int = 4096
    kernel: File | None = None
    initrd: File | None = None
    dtb: File | None = None
    append: str = ""
    next_kernels: tuple[File, ...] = ()
    kernel_addr: int = DEFAULT_KERNEL_ADDR
    areas_on_reset: AreasOnReset = AreasOnReset.UNREGISTER
    reset_dtl_len: int = 48
    on_reboot: OnReboot = OnReboot.RESET
    on_shutdown: OnShutdown = OnShutdown.POWEROFF
    on_panic: OnPanic = OnPanic.SHUTDOWN
    slice_counts: int = 1_000_000
    seed: int = 1
    rtc_base: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.vcpus <= MOST_VCPUS:
            raise BadUsage(f"{self.vcpus} vcpus: a machine has 1 to {MOST_VCPUS}")
        if not LEAST_MEMORY <= self.memory_size <= MOST_MEMORY or self.memory_size % 4096:
            raise BadUsage(
                f"{self.memory_size} bytes of memory: a machine has {LEAST_MEMORY >> 10} KiB"
                f" to {MOST_MEMORY >> 30} GiB, in pages of 4 KiB"
            )
        cpu_model(self.cpu)
        if self.accel not in ACCELERATORS:
            raise BadUsage(f"there is no engine {self.accel!r}; there is {', '.join(ACCELERATORS)}")
        if self.hv_page not in HOST_PAGES:
            raise BadUsage(f"{self.hv_page} bytes are no host page: it has 4K or 64K")

    @property
    def may_pause(self) -> bool:
        """Tell whether something that the guest does pauses the machine."""
        return (
            self.on_reboot is OnReboot.PAUSE
            or self.on_shutdown is OnShutdown.PAUSE
            or self.on_panic is OnPanic.PAUSE
        )

    def kernel_for(self, generation: int) -> File | None:
        """Return the kernel to load after ``generation`` resets."""
        kernels = (self.kernel, *self.next_kernels)
        return kernels[min(generation, len(kernels) - 1)]
