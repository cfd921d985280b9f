"""Where a kernel, an initrd, RTAS and the device tree go in RAM, and how the kernel is entered."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from papvmm.boot.elf import LoadedImage
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import PAGE, GuestMemory

MIB: Final = 1 << 20

LOWEST: Final = 0x4000
"""Interrupt vectors and what kernels keep beside them are below: nothing is put there."""

HIGHEST: Final = 2 << 30
"""Nothing is put above, for kernels that start with 32-bit addresses."""

TREE_ROOM: Final = 2 * MIB
"""The device tree is this far below the top of RAM, as QEMU's is, in a RAM of ``AMPLE``."""
AMPLE: Final = 16 * MIB


class Range(NamedTuple):
    """Guest physical addresses from ``start`` to before ``end``."""

    start: int
    end: int


class Places(NamedTuple):
    """What the device tree says about RAM: where RTAS is, and the initrd if there is one."""

    rtas: Range
    initrd: Range | None


class BootInfo(NamedTuple):
    """How the boot vcpu starts, big-endian, in real mode: at ``entry``, r3 and r4 as here.

    r3 is the gpa of the device tree, r4 the kernel's load address, every other register 0.
    """

    entry: int
    r3: int
    r4: int


def load_image(
    memory: GuestMemory,
    image: LoadedImage,
    initrd: bytes | None,
    rtas: bytes,
    describe: Callable[[Places], bytes],
) -> BootInfo:
    """Put everything a kernel starts with into RAM; BadInput if there is too little of it.

    ``rtas`` is the code guests find RTAS behind. ``describe`` returns the flattened device
    tree, whose length must not depend on where things are.
    """
    nowhere = Range(0, 0)
    tree_size = len(describe(Places(nowhere, None if initrd is None else nowhere)))
    sizes = _Sizes(tree_size, len(rtas), None if initrd is None else len(initrd))
    layout = _lay_out(memory.size, image, sizes)
    if layout is None:
        raise BadInput(_does_not_fit(memory.size, image, sizes))
    tree, places = layout
    for segment in image.segments:
        memory.write(segment.gpa, segment.data)
        memory.clear(segment.gpa + len(segment.data), segment.size - len(segment.data))
    memory.write(places.rtas.start, rtas)
    if initrd is not None and places.initrd is not None:
        memory.write(places.initrd.start, initrd)
    memory.write(tree, describe(places))
    return BootInfo(entry=image.entry, r3=tree, r4=image.base)


class _Sizes(NamedTuple):
    tree: int
    rtas: int
    initrd: int | None


def _lay_out(ram: int, image: LoadedImage, sizes: _Sizes) -> tuple[int, Places] | None:
    """Return the gpa of the device tree, and the other places; None if they don't fit."""
    taken = [Range(segment.gpa, segment.end) for segment in image.segments]
    top = min(ram, HIGHEST)
    usual = top - TREE_ROOM + sizes.tree if ram >= AMPLE else top
    tree = _highest(sizes.tree, usual, taken)
    if image.end > ram or tree is None:
        return None
    taken.append(tree)
    rtas = _highest(sizes.rtas, top, taken)
    if rtas is None:
        return None
    taken.append(rtas)
    if sizes.initrd is None:
        return tree.start, Places(rtas, None)
    initrd = _highest(sizes.initrd, tree.start, taken)
    return None if initrd is None else (tree.start, Places(rtas, initrd))


def _highest(size: int, below: int, taken: Sequence[Range]) -> Range | None:
    """Return the highest place for ``size`` bytes that starts a page and ends by ``below``."""
    start = (below - size) // PAGE * PAGE
    while start >= LOWEST:
        hit = [other.start for other in taken if start < other.end and other.start < start + size]
        if not hit:
            return Range(start, start + size)
        start = (min(hit) - size) // PAGE * PAGE
    return None


def _does_not_fit(ram: int, image: LoadedImage, sizes: _Sizes) -> str:
    initrd = sizes.initrd or 0
    others = f", the device tree {_amount(sizes.tree)}"
    if initrd:
        others = f", the initrd {_amount(initrd)}" + others
    most = image.end + initrd + sizes.tree + sizes.rtas + AMPLE
    enough = (
        mib
        for mib in range(max(1, image.end // MIB), most // MIB + 2)
        if _lay_out(mib * MIB, image, sizes)
    )
    least = next(enough, None)
    advice = "link it elsewhere" if least is None else f"give at least -m {least}"
    return (
        f"{image.name} takes RAM from {image.base:#x} to {image.end:#x}{others}:"
        f" that doesn't fit into {_amount(ram)}; {advice}"
    )


def _amount(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{-(-size // 1024)} KiB"
