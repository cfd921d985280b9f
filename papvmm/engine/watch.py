"""Watchpoints: accesses to data that stop a vcpu, before the instruction that makes them."""

from collections.abc import Iterable
from typing import Final

from papvmm.bits import M64
from papvmm.errors import BadUsage
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.translate import Access
from papvmm.values import Value

WATCHABLE: Final = PAGE
"""Bytes that one watchpoint may watch, at most."""


class Watch(Value):
    """Bytes from an address on, and which accesses to them stop a vcpu.

    The address is an effective one, in whatever context an access is made: as guest code has
    it, all 64 bits, with translation on or off. If it is ``real``, it is a guest real one,
    wherever effective addresses lead to it.

    Raises BadUsage unless there are 1 to ``WATCHABLE`` bytes below 2**64.
    """

    address: int
    length: int
    loads: bool = True
    stores: bool = True
    real: bool = False

    def __post_init__(self) -> None:
        """Check what is watched."""
        super().__post_init__()
        if not 0 < self.length <= WATCHABLE:
            raise BadUsage(f"a watchpoint has 1 to {WATCHABLE} bytes, not {self.length}")
        if not 0 <= self.address <= M64 + 1 - self.length:
            raise BadUsage(f"a watchpoint at {self.address:#x} reaches beyond the last address")

    def touches(self, address: int, length: int) -> bool:
        """Tell whether one of so many bytes is watched; their address is of the same kind."""
        return address < self.address + self.length and self.address < address + length

    def heeds(self, access: Access) -> bool:
        """Tell whether this kind of access is watched."""
        return self.stores if access is Access.STORE else self.loads

    def pages(self) -> range:
        """Return the numbers of the pages that have a watched byte."""
        return range(self.address // PAGE, (self.address + self.length - 1) // PAGE + 1)


class Watched(Exception):
    """An instruction is about to access watched bytes: ``length`` bytes at ``ea``.

    It has done nothing yet.
    """

    def __init__(self, watch: Watch, ea: int, length: int, access: Access) -> None:
        super().__init__(watch, ea, length, access)
        self.watch: Final = watch
        self.ea: Final = ea
        self.length: Final = length
        self.is_store: Final = access is Access.STORE


def pages_of(watches: Iterable[Watch], *, real: bool) -> frozenset[int]:
    """Return the numbers of the pages that have a byte watched by a kind of address."""
    return frozenset(page for watch in watches if watch.real == real for page in watch.pages())
