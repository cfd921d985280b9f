"""What generated Python calls: direct access to RAM in one byte order, and odd arithmetic."""

import struct
from collections.abc import Callable, Mapping
from enum import Enum, auto
from functools import cache
from mmap import mmap
from typing import Final, TypeAlias

from papvmm.bits import mask, ones, permute
from papvmm.isa import hostfloat
from papvmm.isa.ir import PURE, lanes
from papvmm.mmu.space import Writable
from papvmm.mmu.translate import misaligned

OUT_OF_RANGE: Final = (struct.error, IndexError, KeyError, OverflowError)
"""What direct access raises for an address outside RAM, or outside the pages that are known,
and for an access that crosses from one such page into the next: the address is the guest's."""


class Address(Enum):
    """How generated code gets from an effective address to bytes."""

    CAREFUL = auto()
    """Through ``GuestStorage``."""
    REAL = auto()
    """It is an offset in RAM."""
    PAGED = auto()
    """Its page is looked up: RAM is ``Space.reads`` and the code map ``Space.writes``."""


Data: TypeAlias = memoryview | Mapping[int, memoryview]
"""What generated code loads from: RAM, or its pages."""
Code: TypeAlias = bytearray | mmap | Mapping[int, Writable]
"""What generated code looks for marks in, and where it finds pages to store to."""

_FORMATS: Final = {1: "B", 2: "H", 4: "I", 8: "Q"}
Fetch: TypeAlias = Callable[[memoryview, int], tuple[int]]


def fetcher(*, little_endian: bool) -> Fetch:
    """Return what reads an instruction word from RAM."""
    return struct.Struct("<I" if little_endian else ">I").unpack_from


@cache
def namespace(*, little_endian: bool) -> dict[str, object]:
    """Return the globals of generated functions: what they may call."""
    order, other = "<>" if little_endian else "><"
    names: dict[str, object] = {
        "sdiv": PURE["sdiv"], "mask": mask, "misaligned": misaligned, "reverse": _reverse,
        "OUT_OF_RANGE": OUT_OF_RANGE, "permute": permute, "lanes": lanes, "hostfloat": hostfloat,
    }  # fmt: skip
    for size, letter in _FORMATS.items():
        plain, reversed_ = struct.Struct(order + letter), struct.Struct(other + letter)
        names[f"load{size}"], names[f"store{size}"] = plain.unpack_from, plain.pack_into
        names[f"loadr{size}"], names[f"storer{size}"] = reversed_.unpack_from, reversed_.pack_into
        names[f"exchange{size}"] = _exchange(plain.unpack_from, plain.pack_into)
    load16, store16 = _quadword(struct.Struct(order + "QQ"), high_first=not little_endian)
    names |= {"load16": load16, "store16": store16, "exchange16": _exchange(load16, store16)}
    return names


def _reverse(value: int, size: int) -> int:
    return int.from_bytes(value.to_bytes(size, "little"), "big")


Load: TypeAlias = Callable[[memoryview, int], tuple[int]]
Store: TypeAlias = Callable[[memoryview, int, int], None]


def _exchange(load: Load, store: Store) -> Callable[[memoryview, int, int, int], bool]:
    def exchange(ram: memoryview, ea: int, expected: int, new: int) -> bool:
        if load(ram, ea)[0] != expected:
            return False
        store(ram, ea, new)
        return True

    return exchange


def _quadword(pair: struct.Struct, *, high_first: bool) -> tuple[Load, Store]:
    step = 1 if high_first else -1

    def load(ram: memoryview, ea: int) -> tuple[int]:
        high, low = pair.unpack_from(ram, ea)[::step]
        return (high << 64 | low,)

    def store(ram: memoryview, ea: int, value: int) -> None:
        pair.pack_into(ram, ea, *(value >> 64, value & ones(64))[::step])

    return load, store
