"""What interrupts leave in SRR0, SRR1, DAR and the MSR, on papvmm and on QEMU's pseries.

Left out is where QEMU is no example: real addresses outside RAM, translation without page
tables, MSR[ME], which it starts as 0, and SRR1[33] after a trace interrupt.
"""

from typing import NamedTuple

import pytest

from papvmm.isa.encode import assemble_program
from papvmm.isa.interrupts import TRACED, Interrupt
from papvmm.isa.msr import MSR_ME
from tests.differential.test_hcalls_qemu import on_papvmm
from tests.elves import Elf, Load
from tests.guests.qemu import run_on_qemu
from tests.hcall_guest import BASE, BUFFERS, POWER_OFF, buffer, load_immediate, numbers, rtas, show

HANDLER = 0x2000
VECTORS = 0x200
DATA = BASE + 0x30000
RECORDED = range(14, 19)
SET_EE = "mfmsr r3; ori r3,r3,0x8000; mtmsrd r3,0"
SET_SE = "mfmsr r3; ori r3,r3,0x400; mtmsrd r3,0"
SET_BE = "mfmsr r3; ori r3,r3,0x200; mtmsrd r3,0"

CASES = {
    "trap": "nop; tdi 31,r0,0",
    "illegal": "nop; .long 0",
    "illegal, vector opcode": "nop; .long 0x12345678",
    "system call": "nop; sc 0; nop",
    "floating point off": "nop; .long 0xFC22182A",
    "vectors off": "nop; .long 0x10222404",
    "VSX off": "nop; .long 0xF0421496",
    "decrementer, then EE": f"li r4,-1; mtspr 22,r4; {SET_EE}; nop",
    "lwarx": "addi r4,r27,2; lwarx r5,0,r4",
    "ldarx": "addi r4,r27,4; ldarx r5,0,r4",
    "single step": f"{SET_SE}; nop; nop",
    "single step over a branch": f"{SET_SE}; b .+8; nop; nop",
    "single step into a trap": f"{SET_SE}; tdi 31,r0,0",
    "branch trace": f"{SET_BE}; nop; b .+8; nop; nop",
}


def guest() -> bytes:
    """Return an ELF that runs into one interrupt after the other and prints what each left.

    They are five registers: the vector, SRR0, SRR1, MSR, DAR.
    """
    lines = ["li r3,1", "sldi r3,r3,63", "mfmsr r4", "or r4,r4,r3", "mtmsrd r4,0"]
    lines += load_immediate(27, DATA)
    for number, text in enumerate(CASES.values()):
        lines += [*load_immediate(29, BASE), f"addi r29,r29,after{number}-start"]
        lines += ["li r4,0", "mtspr 19,r4", text, "b .", f"after{number}:"]
    lines += [*rtas(BUFFERS), "b ."]
    code = assemble_program("start:" + "\n".join(lines), BASE)
    common = [f"mfspr r{n},{spr}" for n, spr in ((15, 26), (16, 27), (18, 19))]
    common += ["mfmsr r17", "mr r14,r30", "li r4,0x7fff", "mtspr 22,r4"]
    for register in RECORDED:
        common += show(register)
    common += ["mtlr r29", "blr"]
    return Elf(
        [
            Load(VECTORS, vectors()),
            Load(HANDLER, big_endian(assemble_program("\n".join(common), HANDLER))),
            Load(
                BASE,
                big_endian(code).ljust(BUFFERS - BASE, b"\0")
                + buffer((POWER_OFF, 2, 1, 0xFFFF_FFFF, 0xFFFF_FFFF, 0)),
            ),
        ],
        entry=BASE,
    ).build()


def vectors() -> bytes:
    """Return what is at ``VECTORS``: each puts its number into r30 and goes to ``HANDLER``."""
    code = bytearray(0x1000 - VECTORS)
    for vector in Interrupt:
        if vector >= VECTORS:
            words = assemble_program(f"li r30,{vector}; ba {HANDLER}")
            code[vector - VECTORS : vector - VECTORS + 8] = big_endian(words)
    return bytes(code)


def big_endian(words) -> bytes:
    return b"".join(word.to_bytes(4, "big") for word in words)


class Left(NamedTuple):
    """What a case left behind."""

    vector: int
    srr0: int
    srr1: int
    msr: int
    dar: int


def left_by(console: str) -> dict[str, Left]:
    """Return what each case left, without the bits in which QEMU is no example."""
    rows = zip(*[iter(numbers(console))] * len(RECORDED), strict=True)
    left = {}
    for name, row in zip(CASES, map(Left._make, rows), strict=True):
        ignored = MSR_ME | (TRACED if row.vector == Interrupt.TRACE else 0)
        left[name] = row._replace(srr1=row.srr1 & ~ignored, msr=row.msr & ~MSR_ME)
    return left


@pytest.mark.oracle
def test_interrupts_leave_what_they_leave_on_qemu(tmp_path):
    path = tmp_path / "interrupts.elf"
    path.write_bytes(guest())

    theirs = left_by(run_on_qemu(path))

    assert left_by(on_papvmm(guest())) == theirs
