"""Loads and stores of every size where translated storage ends or begins, in regions, too.

The page that is mapped is RAM's last, and behind that is nothing the host lets anybody touch.
Translation is on for code and data, or for one of them: real storage has its edges, too.
"""

from itertools import islice

import pytest

from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import BudgetSpent
from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import CIA, DAR, MSR, SRR0
from papvmm.memory.guest_memory import CODE_LINE, PAGE
from tests.page_tables import ALL, ROOM, TABLES, switch_on
from tests.programs import CODE, NATIVE, REGIONS, GuardedMemory, Program, image

PLACE = 0x9000
"""Where the code is that is known as ``CODE``."""
LAST = ROOM - PAGE
TOP = 1 << 64
SPAN = 1 << 52
"""Bytes of a tree; process 0's is that of two quadrants."""
MAPPED = (0, 0x6000, SPAN - PAGE)
"""Pages that lead to the last one of RAM."""
ENDS = (0, SPAN, 1 << 60, 1 << 62, 1 << 63, 3 << 62, (3 << 62) + SPAN, TOP, 0x6000, 0x7000)
REAL_ENDS = (0, ROOM, 1 << 60, (1 << 60) + ROOM, 0xC << 60, (0xC << 60) + ROOM, SPAN, TOP)
NEAR = range(-17, 9)
EDGES = sorted({(end + at) % TOP for end in ENDS for at in NEAR})
REAL_EDGES = sorted({(end + at) % TOP for end in REAL_ENDS for at in NEAR})
ACCESSES = {
    "lbz 5,0(3)": 1, "lhz 5,0(3)": 2, "lwa 5,0(3)": 4, "ld 5,0(3)": 8, "lwbrx 5,0,3": 4,
    "ldu 5,0(3)": 8, "stb 4,0(3)": 1, "sth 4,0(3)": 2, "stw 4,0(3)": 4, "std 4,0(3)": 8,
    "stdbrx 4,0,3": 8, "stdu 4,0(3)": 8, "lxvd2x 5,0,3": 16, "stxvd2x 5,0,3": 16,
}  # fmt: skip
A_WHILE = 5000
NOTHING = 99
SEGMENT, STORAGE, MACHINE_CHECK = 0x380, 0x300, 0x200
VECTORS = (SEGMENT, STORAGE, MACHINE_CHECK)
MSR_VSX, MSR_FP = 0x80_0000, 0x2000


MODES = [(False, NATIVE), (True, NATIVE), (False, REGIONS), (True, REGIONS)]


class Loop:
    """A loop round one access, which is made at r6; interrupt handlers are loops, too."""

    def __init__(self, text, *, little_endian, hot, translation=MSR_IR | MSR_DR):
        self.program = Program(
            f"mr 3,6; {text}; nop; b -12",
            little_endian=little_endian,
            hot=hot,
            ram=GuardedMemory(ROOM),
            msr=MSR_VSX | MSR_FP,
        )
        self.memory, self.state = self.program.memory, self.program.state
        self.memory.write(PLACE, self.memory.read(CODE, PAGE))
        if translation & MSR_IR:
            self.memory.write(CODE, bytes(PAGE))
        self.memory.write(LAST, bytes(number * 7 % 251 for number in range(PAGE)))
        for vector in VECTORS:
            self.memory.write(vector, image("b 0"))
        tree = switch_on(self.program)[0]
        tree.map(CODE, PLACE, 12, ALL)
        for page in MAPPED:
            tree.map(page, LAST, 12, ALL)
        self.msr = self.state.read(MSR) & ~(MSR_IR | MSR_DR) | translation
        self.access(MAPPED[0])

    def access(self, ea):
        """Make it for a while; return the interrupt's vector and DAR, or None."""
        self.state.write(CIA, CODE)
        self.state.write(MSR, self.msr)
        self.program.set("r6", ea)
        self.program.set("r5", NOTHING)
        assert self.program.run(A_WHILE) == BudgetSpent()
        if self.program.cia not in VECTORS:
            return None
        assert self.state.read(SRR0) == CODE + 4
        assert (self.program.gpr(3), self.program.gpr(5)) == (ea, NOTHING)
        return self.program.cia, self.state.read(DAR)


def expected(ea, size):
    """The vector and DAR of the interrupt that an access ends in; None if it is made."""
    for number in range(size):
        address = (ea + number) % TOP
        if address >> 62 not in (0, 3) or address & 0x3FF0_0000_0000_0000:
            return SEGMENT, address
        if address % SPAN & -PAGE not in MAPPED:
            return STORAGE, address
    return None


def expected_in_real_mode(ea, size):
    """The same where data are not translated."""
    for number in range(size):
        address = (ea + number) % TOP
        if address % (1 << 60) >= ROOM:
            return MACHINE_CHECK, address
    return None


SOME = [*islice(ACCESSES, 0, None, 3), "stxvd2x 5,0,3"]


@pytest.mark.parametrize(("little_endian", "hot"), MODES)
@pytest.mark.parametrize("text", ACCESSES)
def test_an_access_is_made_whole_or_ends_in_its_interrupt(text, little_endian, hot):
    loop = Loop(text, little_endian=little_endian, hot=hot)
    assert hot is NATIVE or loop.memory.code[PLACE // CODE_LINE] & CODE_REGION

    for ea in EDGES:
        check(loop, text, ea, expected, LAST + ea % PAGE)


@pytest.mark.parametrize(("little_endian", "hot"), MODES)
@pytest.mark.parametrize("text", SOME)
def test_data_have_the_edges_of_translated_storage_where_code_is_not(text, little_endian, hot):
    loop = Loop(text, little_endian=little_endian, hot=hot, translation=MSR_DR)
    assert hot is NATIVE or loop.memory.code[CODE // CODE_LINE] & CODE_REGION

    for ea in EDGES:
        check(loop, text, ea, expected, LAST + ea % PAGE)


@pytest.mark.parametrize(("little_endian", "hot"), MODES)
@pytest.mark.parametrize("text", SOME)
def test_data_have_the_edges_of_ram_where_only_code_is_translated(text, little_endian, hot):
    loop = Loop(text, little_endian=little_endian, hot=hot, translation=MSR_IR)
    assert hot is NATIVE or loop.memory.code[PLACE // CODE_LINE] & CODE_REGION

    for ea in REAL_EDGES:
        check(loop, text, ea, expected_in_real_mode, ea % (1 << 60))


def check(loop, text, ea, expects, place):
    """Make an access, which is one at a place in RAM unless it ends in the expected interrupt."""
    size, before = ACCESSES[text], loop.memory.read(0, ROOM)
    interrupt = expects(ea, size)
    assert loop.access(ea) == interrupt, hex(ea)
    after = bytearray(loop.memory.read(0, ROOM))
    if interrupt is None and text.startswith("st"):
        after[place : place + size] = before[place : place + size]
    assert after == without_reference_bits(before, after), hex(ea)


def without_reference_bits(before, after):
    """What was before, with the page table entries as they are: they may have been used."""
    return before[:TABLES] + after[TABLES:LAST] + before[LAST:]
