"""Guest storage as a debugger reads and writes it: looking changes nothing, writing is an input."""

from collections.abc import Iterator

from papvmm.bits import M64
from papvmm.machine.guest import Guest
from papvmm.machine.inputs import Memory
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.peek import peek
from papvmm.vcpu.vcpu import Vcpu


def read(guest: Guest, vcpu: Vcpu | None, address: int, length: int) -> bytes:
    """Return the bytes at an address, as many of ``length`` as there are before the first gap.

    It is an effective one of a vcpu, or without one guest physical.
    """
    pieces = _pieces(guest, vcpu, address, length)
    return b"".join(guest.memory.read(gpa, size) for gpa, size in pieces)


def write(guest: Guest, vcpu: Vcpu | None, address: int, content: bytes) -> bool:
    """Put bytes at an address; return False, with nothing done, if some have no place in RAM."""
    pieces = list(_pieces(guest, vcpu, address, len(content)))
    if sum(size for _, size in pieces) < len(content):
        return False
    at = 0
    for gpa, size in pieces:
        guest.take(Memory(gpa, content[at : at + size]))
        at += size
    return True


def _pieces(
    guest: Guest, vcpu: Vcpu | None, address: int, length: int
) -> Iterator[tuple[int, int]]:
    """Yield gpas and lengths, page by page, up to the first gap."""
    memory = guest.memory
    while length > 0:
        gpa: int | None = address
        if vcpu is not None:
            gpa = peek(vcpu.state, memory, guest.hash_table, address)
        if gpa is None or not memory.holds(gpa, 1):
            return
        size = min(length, PAGE - address % PAGE, memory.size - gpa)
        yield gpa, size
        address, length = address + size & M64, length - size
