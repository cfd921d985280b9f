"""A core file of a guest: ELF64, ET_CORE, EM_PPC64; a header, notes, and one piece of RAM.

Addresses in it are guest physical ones, virtual addresses included.
"""

from struct import pack
from typing import Final, NamedTuple

from papvmm.control.dump.notes import SIGN, VMCOREINFO, Order, note, qemu_note, vcpu_notes
from papvmm.control.dump.vmcoreinfo import vmcoreinfo
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import LPCR, LPCR_ILE, MSR
from papvmm.machine.guest import Guest
from papvmm.memory.guest_memory import PAGE

ELF64: Final = 2
ELF_DATA: Final[dict[Order, int]] = {"little": 1, "big": 2}
ET_CORE: Final = 4
EM_PPC64: Final = 21
PT_LOAD: Final = 1
PT_NOTE: Final = 4
RWX: Final = 7
EHDR: Final = 64
PHDR: Final = 56
"""Bytes of an ELF header, and of a program header."""


class CoreFile(NamedTuple):
    """What comes first in the file, and the RAM that comes after it, at offset ``start``."""

    head: bytes
    start: int
    gpa: int
    length: int

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return self.start + self.length


async def core_file(guest: Guest, gpa: int, length: int) -> CoreFile:
    """Describe the core file of a guest that rests, with ``length`` bytes of its RAM.

    It is in the byte order that the guest takes interrupts in, or runs in.
    """
    first = guest.vcpus[0].state
    is_little = first.read(LPCR) & LPCR_ILE or first.read(MSR) & MSR_LE
    order: Order = "little" if is_little else "big"
    text = await vmcoreinfo(guest.memory)
    notes = b"".join(
        (
            *(one for vcpu in guest.vcpus for one in vcpu_notes(vcpu, order)),
            qemu_note(order),
            note(VMCOREINFO, 0, text, order) if text else b"",
        )
    )
    notes_at = EHDR + 2 * PHDR
    start = -(-(notes_at + len(notes)) // PAGE) * PAGE
    sign = SIGN[order]
    head = b"".join(
        (
            pack("4s3B9x", b"\x7fELF", ELF64, ELF_DATA[order], 1),
            pack(f"{sign}2HI3QI6H", ET_CORE, EM_PPC64, 1, 0, EHDR, 0, 0, EHDR, PHDR, 2, 0, 0, 0),
            pack(f"{sign}2I6Q", PT_NOTE, 0, notes_at, 0, 0, len(notes), len(notes), 4),
            pack(f"{sign}2I6Q", PT_LOAD, RWX, start, gpa, gpa, length, length, 1),
            notes,
        )
    )
    return CoreFile(head, start, gpa, length)
