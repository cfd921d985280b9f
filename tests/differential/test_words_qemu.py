"""What a word comes to on each processor: papvmm beside QEMU's pseries machine.

Words that not every version of the Power ISA has, and moves from SPRs, in supervisor state with
all facilities off. Each is written into the guest's code before it is executed. QEMU 7.2 is no
example for DSCR and PSSCR, and for SRR1[34] of prefixed instructions.
"""

from typing import NamedTuple

import pytest

from papvmm.isa.encode import assemble, assemble_program
from papvmm.isa.interrupts import Interrupt
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.outcome import PoweredOff
from tests.elves import Elf, Load
from tests.guests.qemu import run_on_qemu
from tests.hcall_guest import BASE, BUFFERS, POWER_OFF, buffer, load_immediate, numbers, rtas, show

HANDLER = 0x2000
LOOP, SLOT, AFTER, WORDS, DATA = (BASE + page * 0x1000 for page in (1, 2, 3, 8, 48))
ME = 0x1000
PREFIX_BIT = 0x2000_0000
NOP = 0x6000_0000
UNTOUCHED = 0x1234

TEXTS = (
    "addpcis 16,1", "cmpeqb 1,4,5", "cmprb 1,1,4,5", "cnttzd 16,5", "cnttzw. 16,5", "cpabort",
    "extswsli 16,5,3", "maddhd 16,4,5,4", "maddhdu 16,4,5,4", "maddld 16,4,5,4", "mcrxrx 1",
    "modsd 16,4,5", "modud 16,4,5", "modsw 16,4,5", "moduw 16,4,5", "setb 16,1", "lxv 1,0(4)",
    "lxvx 1,0,4", "lxsd 1,0(4)", "stxv 33,0(4)", "mtvsrws 1,4", "mfvsrld 16,1",
    "brh 16,5", "brw 16,5", "brd 16,5", "cfuged 16,4,5", "cntlzdm 16,4,5", "cnttzdm 16,4,5",
    "pdepd 16,4,5", "pextd 16,4,5", "setbc 16,1", "setbcr 16,1", "setnbc 16,1", "setnbcr 16,1",
    "lq 16,0(4)", "isel 16,4,5,2", "popcntd 16,5", "bpermd 16,4,5", "divde 16,5,4", "lbarx 16,0,4",
    "fadd 1,2,3", "vand 1,2,3", "xxlxor 1,2,3", "add 16,4,5",
)  # fmt: skip
PREFIXED = (
    (0x0600_0001, 0x3A04_2345), (0x0400_0000, 0xE604_0000), (0x0610_0000, 0x3A00_0100),
    (0x0400_0123, 0x00BA_DC0D), (0x0600_0000, 0xC804_0000), (0x0700_0000, 0x0000_0000),
)  # fmt: skip
"""paddi, pld, paddi relative to CIA, none, plfd, pnop."""
SPRS = (13, 29, 48, 61, 136, 144, 157, 159, 256, 259, 446, 769, 779, 815, 886, 1023)

CASES = (
    *((assemble(text), NOP) for text in TEXTS),
    *PREFIXED,
    *((assemble(f"mfspr 16,{number}"), NOP) for number in SPRS),
)

NEXT = f"""
    mfspr 26,274; lwz 24,0(26); lwz 23,4(26); addi 26,26,8; mtspr 274,26
    stw 24,0(25); stw 23,4(25); dcbst 0,25; sync 0; icbi 0,25; isync
    li 14,0; li 15,0; li 16,{UNTOUCHED}; li 5,77; mtcrf 255,5
    mr 4,27; li 6,0; ba {SLOT}
"""


class Left(NamedTuple):
    """What a case left: the interrupt's vector, or 0, and SRR1; a register that it may set."""

    vector: int
    srr1: int
    register: int


def guest() -> bytes:
    """Return an ELF that executes each case, and prints what it left."""
    start = ["li 3,1", "sldi 3,3,63", "mfmsr 4", "or 4,4,3", "mtmsrd 4,0"]
    for register, address in ((25, SLOT), (26, WORDS), (27, DATA)):
        start += load_immediate(register, address)
    start += ["mtspr 274,26", f"li 26,{len(CASES)}", "mtspr 275,26", f"ba {LOOP}"]
    after = [line for register in (14, 15, 16) for line in show(register)]
    after += ["mfspr 26,275", "addi 26,26,-1", "mtspr 275,26", "cmpdi 26,0", "beq 8"]
    after += [f"ba {LOOP}", *rtas(BUFFERS), "b ."]
    handler = f"mr 14,30; mfspr 15,27; li 4,0x7fff; mtspr 22,4; li 3,1; sldi 3,3,63; mfmsr 4;\
        or 4,4,3; mtmsrd 4,0; ba {AFTER}"
    vectors = bytearray(0x1000 - 0x200)
    for vector in (*Interrupt, 0xE40):
        if vector >= 0x200:
            code = assembled(f"li 30,{vector}; ba {HANDLER}", vector)
            vectors[vector - 0x200 : vector - 0x200 + 8] = code
    words = b"".join(word.to_bytes(4) for case in CASES for word in case)
    parts = {
        BASE: assembled("\n".join(start), BASE),
        LOOP: assembled(NEXT, LOOP),
        SLOT: assembled(f"nop; nop; ba {AFTER}", SLOT),
        AFTER: assembled("\n".join(after), AFTER),
        WORDS: words,
        DATA: bytes(range(16)),
        BUFFERS: buffer((POWER_OFF, 2, 1, 0xFFFF_FFFF, 0xFFFF_FFFF, 0)),
    }
    image = b""
    for address, part in sorted(parts.items()):
        image = image.ljust(address - BASE, b"\0") + part
    loads = [Load(0x200, bytes(vectors)), Load(HANDLER, assembled(handler, HANDLER))]
    return Elf([*loads, Load(BASE, image)], entry=BASE).build()


def assembled(text: str, at: int) -> bytes:
    return b"".join(word.to_bytes(4) for word in assemble_program(text, at))


def on_papvmm(elf: bytes, cpu: str) -> str:
    kernel = File("words.elf", elf)
    guest = boot(MachineConfig(memory_size=64 << 20, cpu=cpu, kernel=kernel))
    said = bytearray()
    guest.console.output = said.extend
    assert guest.run(1 << 30) == PoweredOff()
    return said.decode("ascii")


def left_by(console: str) -> dict[tuple[int, int], Left]:
    rows = zip(*[iter(numbers(console))] * 3, strict=True)
    left = map(Left._make, rows)
    return {
        case: one._replace(srr1=one.srr1 & ~(ME | PREFIX_BIT))
        for case, one in zip(CASES, left, strict=True)
    }


@pytest.mark.oracle
@pytest.mark.parametrize("cpu", ["power8", "power9", "power10"])
def test_words_come_to_what_they_come_to_on_qemu(cpu, tmp_path):
    path = tmp_path / "words.elf"
    path.write_bytes(guest())

    theirs = left_by(run_on_qemu(path, "-cpu", cpu))

    ours = left_by(on_papvmm(guest(), cpu))
    different = {
        f"{word:#x} {suffix:#x}": (ours[word, suffix], theirs[word, suffix])
        for word, suffix in CASES
        if ours[word, suffix] != theirs[word, suffix]
    }
    assert different == {}
