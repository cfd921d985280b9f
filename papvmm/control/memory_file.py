"""Guest memory as a file on the host, by guest physical or by effective addresses."""

import asyncio
from typing import Final

from papvmm.control.control import Control
from papvmm.control.dump.target import write_all
from papvmm.control.effective import read_effective
from papvmm.control.host_file import new_file
from papvmm.memory.guest_memory import OutOfRange
from papvmm.vcpu.vcpu import Vcpu

PIECE: Final = 1 << 20
"""Bytes that are written between two turns of everybody else, the guest among them."""


async def save_physical(control: Control, gpa: int, length: int, path: str) -> None:
    """Write guest RAM into a new file; of a guest that runs, pieces may be of different moments."""
    memory = control.machine.guest.memory
    if not memory.holds(gpa, length):
        raise OutOfRange(gpa, length)
    with new_file(path) as file:
        for start in range(gpa, gpa + length, PIECE):
            write_all(file, memory.read(start, min(PIECE, gpa + length - start)))
            await asyncio.sleep(0)


async def save_effective(control: Control, vcpu: Vcpu, ea: int, length: int, path: str) -> None:
    """Write what a vcpu sees into a new file, which there is none of if a byte is not mapped."""
    with new_file(path) as file:
        for start in range(ea, ea + length, PIECE):
            piece = min(PIECE, ea + length - start)
            write_all(file, read_effective(control, vcpu, start, piece))
            await asyncio.sleep(0)
