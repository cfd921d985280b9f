"""Generated programs with hashed page tables: every engine does what the stepper does."""

from random import Random

import pytest

from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import AMR, LPCR, LPCR_AIL, MSR
from papvmm.memory.guest_memory import GuestMemory
from tests.hash_pages import KP, KS, LARGE_1T, SMALL_256M, Guest, M, key
from tests.programs import Program
from tests.property.test_translated_programs import runs
from tools.lockstep.programs import DATA, FIRST_CODE, RAM, generate

FIRST = 8_000_000
ROOM = 2 * RAM
KERNEL = 0xC << 60
SIZES = {0: SMALL_256M, KERNEL: LARGE_1T}
"""The segments of a program, by their addresses: it is in both, and interrupts are in either."""


def stage(number, hot):
    """Return a generated program in other pages, and a table that leads there.

    Pages of data are protected in all ways.
    """
    case, random = generate(FIRST + number), Random(number)
    program = Program("nop", hot=hot, ram=GuestMemory(ROOM))
    memory, state = program.memory, program.state
    for at, data in case.pieces:
        memory.write(at, data)
    case.begin(state, 0, 0)
    guest = Guest(state, program.tables.hashed)
    for index, (root, size) in enumerate(SIZES.items()):
        flags = random.choice((0, 0, KS, KP, KS | KP))
        guest.segment(root, 7 + index, index=index, size=size, flags=flags)
    places = random.sample(range(RAM >> 12, ROOM >> 12), k=(RAM >> 12) - 1)
    for page, place in enumerate([0, *places]):
        ea, ra = page << 12, place << 12
        memory.write(ra, memory.read(ea, 4096))
        low = random.choice((0, 1, 2, 2, 2, 3, 4 | 2)) | random.choice((0, 0, 0x80, 0x180))
        low = 2 if ea < DATA else low | key(random.choice((0, 0, 0, 5)))
        for index, (root, size) in enumerate(SIZES.items()):
            second = random.random() < 0.2
            guest.map(7 + index, root | ea, ra, size=size, low=M | low, secondary=second)
    memory.write(FIRST_CODE, assemble("nop").to_bytes(4, "big") * 1024)
    state.write(AMR, random.choice((0, 0, 1 << 52, 2 << 52)))
    state.write(LPCR, state.read(LPCR) | random.choice((0, 0, 0, LPCR_AIL)))
    state.write(MSR, state.read(MSR) | MSR_IR | MSR_DR)
    return program


@pytest.mark.parametrize(
    "number", [*range(16), *(pytest.param(number, marks=pytest.mark.slow) for number in range(300))]
)
def test_engines_translate_as_the_stepper_does(number):
    for engines, steppers in runs(stage, number):
        assert engines == steppers
