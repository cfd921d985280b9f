"""Guest memory by effective address, as one vcpu sees it, without its noticing."""

from collections.abc import Iterator

from papvmm.bits import M64
from papvmm.control.control import Control
from papvmm.errors import PapvmmError
from papvmm.machine.inputs import Memory
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.peek import peek
from papvmm.vcpu.vcpu import Vcpu


class NotMapped(PapvmmError):
    """There is no guest RAM at an effective address."""

    def __init__(self, ea: int) -> None:
        super().__init__(f"no guest RAM at effective address {ea:#x}")
        self.ea = ea


def read_effective(control: Control, vcpu: Vcpu, ea: int, length: int) -> bytes:
    """Return the bytes that loads at ``ea`` would find; NotMapped, with where, if there are none.

    What a vcpu may read is not asked.
    """
    memory = control.machine.guest.memory
    return b"".join(memory.read(ra, size) for ra, size in _pieces(control, vcpu, ea, length))


def write_effective(control: Control, vcpu: Vcpu, ea: int, data: bytes) -> None:
    """Put bytes where stores at ``ea`` would; NotMapped, and no change, if that is nowhere.

    What a vcpu may write is not asked.
    """
    for ra, size in list(_pieces(control, vcpu, ea, len(data))):
        control.machine.guest.take(Memory(ra, data[:size]))
        data = data[size:]


def _pieces(control: Control, vcpu: Vcpu, ea: int, length: int) -> Iterator[tuple[int, int]]:
    """Yield where the bytes are in RAM, page by page: real addresses and lengths."""
    guest = control.machine.guest
    while length:
        ra = peek(vcpu.state, guest.memory, guest.hash_table, ea)
        size = min(length, PAGE - ea % PAGE)
        if ra is None or not guest.memory.holds(ra, size):
            raise NotMapped(ea)
        yield ra, size
        ea, length = ea + size & M64, length - size
