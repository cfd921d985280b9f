"""The names of a kernel's addresses, found by whoever looks: the guest doesn't wait for them."""

from functools import lru_cache

from papvmm.boot.elf import LoadedImage, load_elf
from papvmm.control.top.sample import Kernel
from papvmm.errors import BadInput


@lru_cache(maxsize=4)
def image_of(kernel: Kernel) -> LoadedImage | None:
    """Read the file of a kernel; None if it isn't there any more."""
    try:
        with open(kernel.path, "rb") as file:
            return load_elf(kernel.path, file.read(), kernel.address)
    except (OSError, BadInput):
        return None


def place(kernel: Kernel | None, address: int) -> str:
    """Return an address as ``symbol+0x10`` if that is known, or as a number."""
    image = image_of(kernel) if kernel else None
    found = image.symbol_of(address) if image else None
    return f"{address:#x}" if found is None else f"{found[0]}+{found[1]:#x}"
