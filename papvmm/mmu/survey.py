"""All that a radix tree maps, for those who look on from outside: nothing changes by it."""

from collections.abc import Iterator
from struct import iter_unpack
from typing import NamedTuple

from papvmm.bits import ones
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.radix import (
    DIRECTORY_BASE,
    EA_BITS,
    INDEX_BITS,
    LEAF,
    LEVELS,
    PROCESS_TABLE_BASE,
    QUADRANT,
    ROOT_BASE,
    RPN,
    VALID,
)


class Mapping(NamedTuple):
    """Effective addresses from ``ea`` on lead to real ones from ``ra`` on."""

    ea: int
    ra: int
    length: int


def kernel_mappings(memory: GuestMemory, process_table: int) -> Iterator[Mapping | None]:
    """Yield what process 0 maps in quadrant 3, which all processes share, in ascending order.

    What follows on each other is one mapping; what is not in RAM is left out. For each directory
    that was looked through None is yielded: a guest can make a tree that has no end.
    """
    last: Mapping | None = None
    gpa = process_table & PROCESS_TABLE_BASE
    entry = memory.load_be(gpa, 8) if memory.holds(gpa, 8) else 0
    for page in _pages(memory, entry & ROOT_BASE, entry & INDEX_BITS, 0, EA_BITS, QUADRANT):
        if page is None:
            yield None
        elif last is not None and (last.ea + last.length, last.ra + last.length) == page[:2]:
            last = last._replace(length=last.length + page.length)
        else:
            if last is not None:
                yield last
            last = page
    if last is not None:
        yield last


def _pages(
    memory: GuestMemory, base: int, bits: int, level: int, above: int, ea: int
) -> Iterator[Mapping | None]:
    """Yield the pages in RAM below a directory, which is indexed by the next bits of an address.

    ``above`` bits of it are left at this level.
    """
    if level == len(LEVELS) or bits not in LEVELS[level] or not memory.holds(base, 8 << bits):
        return
    yield None
    shift = above - bits
    for index, (entry,) in enumerate(iter_unpack(">Q", memory.read(base, 8 << bits))):
        if not entry & VALID:
            continue
        at = ea | index << shift
        if not entry & LEAF:
            below = entry & DIRECTORY_BASE
            yield from _pages(memory, below, entry & INDEX_BITS, level + 1, shift, at)
        elif memory.holds(ra := entry & RPN & ~ones(shift), 1 << shift):
            yield Mapping(at, ra, 1 << shift)
