"""Guest memory by effective address, as one vcpu sees it, without its noticing."""

from papvmm.bits import M64
from papvmm.control.control import Control
from papvmm.errors import PapvmmError
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
    guest = control.machine.guest
    pieces = list[bytes]()
    while length:
        ra = peek(vcpu.state, guest.memory, guest.hash_table, ea)
        piece = min(length, PAGE - ea % PAGE)
        if ra is None or not guest.memory.holds(ra, piece):
            raise NotMapped(ea)
        pieces.append(guest.memory.read(ra, piece))
        ea, length = ea + piece & M64, length - piece
    return b"".join(pieces)
