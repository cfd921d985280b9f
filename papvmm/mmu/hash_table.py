"""The hashed page table of a guest, which is the hypervisor's: hypercalls change it, no store.

What follows from an entry is forgotten when the entry changes: see ``Space``.
"""

from collections.abc import Callable
from mmap import mmap
from struct import Struct
from typing import Final, NamedTuple, TypeAlias

from papvmm.mmu.hashed import V_MATCHED, V_SECONDARY, V_VALID, Segment

GROUP: Final = 8
"""Entries in a group (PTEG)."""
ENTRY_SIZE: Final = 16
GROUP_SIZE: Final = GROUP * ENTRY_SIZE
SMALLEST: Final = 18
"""The log of the size in bytes of the smallest table."""
RAM_PER_TABLE: Final = 7
"""The log of how much RAM there is for each byte of the table."""

_ENTRY: Final = Struct(">QQ")
_GROUP: Final = Struct(">16Q")
_FLAGS: Final = 14
"""Where in an entry the reference bit's two bytes are: R and C are bits of them."""
_SHORT: Final = Struct(">H")
_GROUP_BITS: Final = 40
"""More than the number of a group has."""

Forget: TypeAlias = Callable[[int], None]
"""Called with the home of entries of which one has changed: see ``HashTable.home``."""


class Entry(NamedTuple):
    """A page table entry: its number, its second doubleword, and the log of its page's size."""

    slot: int
    r: int
    shift: int


def table_shift(memory_size: int) -> int:
    """Return the log of the size in bytes of the table for so much RAM, as QEMU has it."""
    return max((memory_size - 1).bit_length() - RAM_PER_TABLE, SMALLEST)


class HashTable:
    """A table of 2 to the power of ``shift`` bytes, in which entries have numbers (slots).

    An entry is two doublewords, here ``v`` and ``r``, as hypercalls have them; an invalid one
    is all zeros.
    """

    def __init__(self, shift: int = SMALLEST) -> None:
        self.shift: Final = shift
        self.slots: Final = 1 << shift >> 4
        self._mask: Final = (self.slots >> 3) - 1
        self.content: Final = mmap(-1, 1 << shift)
        """All entries; a page of it takes no host memory until one is written."""
        self._valid: Final[dict[int, list[int]]] = {}
        """The valid entries of a home, primary ones first, in the order of their slots."""
        self.on_change: Final[list[Forget]] = []

    @property
    def is_empty(self) -> bool:
        """Tell whether no entry is valid."""
        return not self._valid

    def home(self, slot: int, v: int) -> int:
        """Return what tells apart entries that a search may find from those it does not."""
        group = slot >> 3
        if v & V_SECONDARY:
            group = ~group & self._mask
        return (v & V_MATCHED) << _GROUP_BITS | group

    def home_of(self, segment: Segment, ea: int) -> int:
        """Return the home of the entries for an address."""
        return segment.matched(ea) << _GROUP_BITS | segment.hash(ea) & self._mask

    def find(self, segment: Segment, home: int) -> Entry | None:
        """Return the entry for the addresses of a home."""
        for slot in self._valid.get(home, ()):
            v, r = _ENTRY.unpack_from(self.content, slot * ENTRY_SIZE)
            shift = segment.page_shift(v, r)
            if shift:
                return Entry(slot, r, shift)
        return None

    def record(self, slot: int, r: int) -> None:
        """Set R and C of a valid entry to what they are in its new second doubleword."""
        _SHORT.pack_into(self.content, slot * ENTRY_SIZE + _FLAGS, r & 0xFFFF)

    def entry(self, slot: int) -> tuple[int, int]:
        """Return the doublewords of an entry, valid or not."""
        v, r = _ENTRY.unpack_from(self.content, slot * ENTRY_SIZE)
        return v, r

    def free_slot(self, slot: int) -> int | None:
        """Return the first invalid entry of the group that an entry is in, or None."""
        first = slot & -GROUP
        entries = _GROUP.unpack_from(self.content, first * ENTRY_SIZE)
        for index in range(GROUP):
            if not entries[2 * index] & V_VALID:
                return first + index
        return None

    def enter(self, slot: int, v: int, r: int) -> None:
        """Make an invalid entry a valid one."""
        _ENTRY.pack_into(self.content, slot * ENTRY_SIZE, v, r)
        home = self.home(slot, v)
        others = self._valid.get(home)
        if others is None:
            self._valid[home] = [slot]
        else:
            others.append(slot)
            others.sort(key=self._order)
            self._changed(home)

    def remove(self, slot: int, v: int) -> None:
        """Make a valid entry, whose first doubleword is ``v``, an invalid one."""
        _ENTRY.pack_into(self.content, slot * ENTRY_SIZE, 0, 0)
        home = self.home(slot, v)
        slots = self._valid[home]
        if len(slots) == 1:
            del self._valid[home]
        else:
            slots.remove(slot)
        self._changed(home)

    def change(self, slot: int, v: int, r: int) -> None:
        """Give a valid entry, whose first doubleword is ``v``, another second one."""
        _ENTRY.pack_into(self.content, slot * ENTRY_SIZE, v, r)
        self._changed(self.home(slot, v))

    def clear(self) -> None:
        """Make all entries invalid."""
        if self._valid:
            homes = list(self._valid)
            self._valid.clear()
            self.content[:] = bytes(len(self.content))
            for home in homes:
                self._changed(home)

    def load(self, content: bytes | bytearray) -> None:
        """Replace all entries of a table that nobody has looked into yet."""
        self.content[:] = content
        self._valid.clear()
        for slot, (v, _) in enumerate(_ENTRY.iter_unpack(content)):
            if v & V_VALID:
                self._valid.setdefault(self.home(slot, v), []).append(slot)
        for slots in self._valid.values():
            slots.sort(key=self._order)

    def put_back(self, offset: int, content: bytes) -> None:
        """Make some entries, from the byte at ``offset`` on, what they were once."""
        for slot, (v, r) in enumerate(_ENTRY.iter_unpack(content), start=offset // ENTRY_SIZE):
            old_v, old_r = self.entry(slot)
            if (old_v, old_r) != (v, r):
                if old_v & V_VALID:
                    self.remove(slot, old_v)
                if v & V_VALID:
                    self.enter(slot, v, r)
                else:
                    _ENTRY.pack_into(self.content, slot * ENTRY_SIZE, v, r)

    def _order(self, slot: int) -> tuple[int, int]:
        """Sort by when a search comes to a slot: to the primary group first."""
        return self.entry(slot)[0] & V_SECONDARY, slot

    def _changed(self, home: int) -> None:
        for forget in self.on_change:
            forget(home)
