"""Where things go in RAM, and how the boot vcpu is entered."""

import pytest

from papvmm.boot.elf import load_elf
from papvmm.boot.image import BootInfo, Places, Range, load_image
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import GuestMemory
from tests.elves import ET_DYN, Elf, Load

MIB = 1 << 20
RTAS = b"\x44\0\0\x22\x4e\x80\0\x20"


def tree_of(size: int):
    """Return a describer whose tree is ``size`` bytes that say where things are."""
    return lambda places: repr(places).encode().ljust(size, b"\0")[:size]


def boot(
    memory: GuestMemory, elf: Elf, *, initrd: bytes | None = None, tree: int = 3000
) -> tuple[BootInfo, Places]:
    seen: list[Places] = []

    def describe(places: Places) -> bytes:
        seen.append(places)
        return tree_of(tree)(places)

    info = load_image(memory, load_elf("guest.elf", elf.build()), initrd, RTAS, describe)
    return info, seen[-1]


def test_the_kernel_is_entered_with_the_tree_in_r3_and_its_load_address_in_r4():
    memory = GuestMemory(32 * MIB)
    elf = Elf([Load(0, b"code", memsz=64)], entry=0, type=ET_DYN)

    info, places = boot(memory, elf)

    assert info == BootInfo(entry=0x400000, r3=30 * MIB, r4=0x400000)
    assert memory.read(info.r3, 3000) == tree_of(3000)(places)
    assert memory.read(0x400000, 4) == b"code"
    assert memory.read(places.rtas.start, len(RTAS)) == RTAS


def test_what_the_file_does_not_hold_is_cleared_even_after_a_reset():
    memory = GuestMemory(16 * MIB)
    memory.write(0x100000, b"\xff" * (3 * MIB))

    boot(memory, Elf([Load(0x100000, b"code", memsz=2 * MIB + 5)], entry=0x100000))

    assert memory.read(0x100004, 2 * MIB + 1) == bytes(2 * MIB + 1)
    assert memory.read(0x300005, 1) == b"\xff"


def test_the_initrd_is_page_aligned_between_kernel_and_tree():
    memory = GuestMemory(32 * MIB)

    info, places = boot(memory, Elf(), initrd=b"initrd" * 1000)

    start, end = places.initrd or Range(0, 0)
    assert (end - start, start % 4096) == (6000, 0)
    assert 0x10010 < start < end <= info.r3
    assert memory.read(start, 6000) == b"initrd" * 1000


def test_an_empty_initrd_is_one_of_no_bytes():
    _, places = boot(GuestMemory(32 * MIB), Elf(), initrd=b"")

    assert places.initrd is not None
    assert places.initrd.start == places.initrd.end


def test_in_a_small_ram_the_tree_is_at_the_top():
    memory = GuestMemory(256 << 10)

    info, places = boot(memory, Elf(), tree=5000)

    assert (info.r3, places.rtas) == (0x3E000, Range(0x3D000, 0x3D008))


def test_nothing_overlaps_a_kernel_at_the_top_of_ram():
    memory = GuestMemory(MIB)
    elf = Elf([Load(0xE0000, b"k" * 0x20000)], entry=0xE0000)

    info, places = boot(memory, elf, initrd=b"i" * 5000)

    assert memory.read(0xE0000, 0x20000) == b"k" * 0x20000
    assert sorted((info.r3, places.rtas.start, places.initrd.start)) == [0xDC000, 0xDE000, 0xDF000]


def test_vectors_stay_free():
    memory = GuestMemory(64 << 10)
    elf = Elf([Load(0x5000, b"k" * 0xB000)], entry=0x5000)

    with pytest.raises(BadInput, match=r"doesn't fit into 64 KiB; give at least -m 1$"):
        boot(memory, elf)


@pytest.mark.parametrize(
    ("elf", "initrd", "why"),
    [
        (
            Elf([Load(0x400000, memsz=5 * MIB)], entry=0x400000),
            None,
            "takes RAM from 0x400000 to 0x900000, the device tree 3 KiB:"
            " that doesn't fit into 8.0 MiB; give at least -m 9$",
        ),
        (
            Elf([Load(0x100000)], entry=0x100000),
            bytes(7 * MIB),
            "the initrd 7.0 MiB, .*; give at least -m 9$",
        ),
        (
            Elf([Load(1 << 40)], entry=1 << 40),
            None,
            f"; give at least -m {(1 << 20) + 1}$",
        ),
        (Elf([Load(0, memsz=1 << 33)], entry=0), None, "; link it elsewhere$"),
        (Elf([Load((1 << 64) - 16, memsz=16)], entry=(1 << 64) - 16), None, "give at least"),
    ],
)  # fmt: skip
def test_too_little_ram_is_refused_with_the_least_that_would_do(elf, initrd, why):
    memory = GuestMemory(8 * MIB)

    with pytest.raises(BadInput, match=f"^guest.elf .*{why}") as refusal:
        boot(memory, elf, initrd=initrd)

    assert "\n" not in str(refusal.value)
    assert memory.read(0, 8 * MIB) == bytes(8 * MIB)


def test_the_least_amount_of_memory_named_does_do():
    elf, initrd = Elf([Load(0x100000)], entry=0x100000), bytes(7 * MIB)

    info, _ = boot(GuestMemory(9 * MIB), elf, initrd=initrd)

    assert info.entry == 0x100000
