"""A core file of a guest: ELF64, ET_CORE, EM_PPC64; a header, notes, and one piece of RAM.

Virtual addresses in it are guest physical ones, and the kernel's besides if that is asked for.
"""

import asyncio
from struct import pack
from typing import Final, NamedTuple

from papvmm.control.dump.notes import SIGN, VMCOREINFO, Order, note, qemu_note, vcpu_notes
from papvmm.control.dump.vmcoreinfo import vmcoreinfo
from papvmm.errors import PapvmmError
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import LPCR, LPCR_HR, LPCR_ILE, MSR, PROCESS_TABLE
from papvmm.machine.guest import Guest
from papvmm.memory.guest_memory import PAGE
from papvmm.mmu.survey import Mapping, kernel_mappings

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


AT_ONCE: Final = 64
"""Pieces of RAM, or tables, that are found between two turns of everybody else: some 5 ms."""
MOST_TABLES: Final = 4096
MOST_PIECES: Final = 65_000
"""What is found at most; an ELF header can't count more pieces."""


class NoMappings(PapvmmError):
    """Effective addresses can't be in the file; the text says why."""


class CoreFile(NamedTuple):
    """What comes first in the file, and the RAM that comes after it, at offset ``start``."""

    head: bytes
    start: int
    gpa: int
    length: int


async def core_file(guest: Guest, gpa: int, length: int, *, paging: bool = False) -> CoreFile:
    """Describe the core file of a guest that rests, with ``length`` bytes of its RAM.

    With ``paging`` RAM is there a second time, by the kernel's effective addresses. The file is
    in the byte order that the guest takes interrupts in, or runs in.
    """
    first = guest.vcpus[0].state
    is_little = first.read(LPCR) & LPCR_ILE or first.read(MSR) & MSR_LE
    order: Order = "little" if is_little else "big"
    text = await vmcoreinfo(guest)
    notes = b"".join(
        (
            *(one for vcpu in guest.vcpus for one in vcpu_notes(vcpu, order)),
            qemu_note(order),
            note(VMCOREINFO, 0, text, order) if text else b"",
        )
    )
    mapped = await _mappings(guest) if paging else []
    loads = [Mapping(gpa, gpa, length), *mapped]
    notes_at = EHDR + (1 + len(loads)) * PHDR
    start = -(-(notes_at + len(notes)) // PAGE) * PAGE
    sign, ehdr = SIGN[order], (ET_CORE, EM_PPC64, 1, 0, EHDR, 0, 0, EHDR, PHDR)
    head = b"".join(
        (
            pack("4s3B9x", b"\x7fELF", ELF64, ELF_DATA[order], 1),
            pack(f"{sign}2HI3QI6H", *ehdr, 1 + len(loads), 0, 0, 0),
            pack(f"{sign}2I6Q", PT_NOTE, 0, notes_at, 0, 0, len(notes), len(notes), 4),
            *(
                pack(f"{sign}2I6Q", PT_LOAD, RWX, start + ra - gpa, ea, ra, size, size, 1)
                for ea, ra, size in loads
            ),
            notes,
        )
    )
    return CoreFile(head, start, gpa, length)


async def _mappings(guest: Guest) -> list[Mapping]:
    """Return what the kernel of a guest maps; NoMappings if that is not by a radix tree."""
    state, found = guest.vcpus[0].state, list[Mapping]()
    if not state.read(LPCR) & LPCR_HR:
        raise NoMappings("paging: the guest has no radix trees")
    surveyed = kernel_mappings(guest.memory, state.read(PROCESS_TABLE))
    for number, mapping in enumerate(surveyed, start=1):
        if mapping is not None:
            found.append(mapping)
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
        if len(found) > MOST_PIECES or number - len(found) > MOST_TABLES:
            raise NoMappings("paging: the guest's tree has too many branches")
    return found
