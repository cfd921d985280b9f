"""Loads and stores of every size where storage ends or begins: right, or a guest interrupt."""

import pytest

from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.isa.state import CIA, DAR, MSR, SRR0
from tests.programs import CODE, DATA, NATIVE, NEVER, RAM, REGIONS, Program

ROUNDS = 100
TOP, REAL = 1 << 64, 1 << 60
"""Addresses have 64 bits, of which real mode ignores the first four."""

BEHIND_CODE = CODE + 128

ENDS = (
    0, DATA, RAM, 1 << 59, REAL, REAL + RAM, 1 << 61, 1 << 63, 0xC000_0000_0000_0000,
    0xF000_0000_0000_0000 + RAM, TOP,
)  # fmt: skip
EDGES = sorted({(end + offset) % TOP for end in ENDS for offset in range(-17, 9)})

LOADS = {
    "lbz 5,0(3)": 1, "lhz 5,0(3)": 2, "lha 5,0(3)": 2, "lwz 5,0(3)": 4, "lwa 5,0(3)": 4,
    "ld 5,0(3)": 8, "lbzx 5,0,3": 1, "lwax 5,3,7": 4, "ldx 5,7,3": 8, "lhbrx 5,0,3": 2,
    "lwbrx 5,0,3": 4, "ldbrx 5,0,3": 8, "lbzu 5,0(3)": 1, "lwzux 5,3,7": 4, "ldu 5,0(3)": 8,
}  # fmt: skip
STORES = {
    "stb 4,0(3)": 1, "sth 4,0(3)": 2, "stw 4,0(3)": 4, "std 4,0(3)": 8, "stbx 4,0,3": 1,
    "sthx 4,7,3": 2, "stdx 4,3,7": 8, "sthbrx 4,0,3": 2, "stwbrx 4,0,3": 4, "stdbrx 4,0,3": 8,
    "stbu 4,0(3)": 1, "stwux 4,3,7": 4, "stdu 4,0(3)": 8,
}  # fmt: skip
ALIGNED = {
    "lbarx 5,0,3": 1, "lharx 5,0,3": 2, "lwarx 5,0,3": 4, "ldarx 5,0,3": 8, "lqarx 8,0,3": 16,
    "lq 8,0(3)": 16, "stq 8,0(3)": 16, "stwcx. 4,0,3": 4, "stqcx. 8,0,3": 16, "ldat 8,3,0": 8,
    "stwat 4,3,0": 4,
}  # fmt: skip
STORED = 0x0123_4567_89AB_CDEF
PATTERN = bytes(number * 7 % 256 for number in range(RAM))

modes = pytest.mark.parametrize(
    ("little_endian", "hot"),
    [(False, 1), (True, 1), (False, NEVER), (True, NEVER), (False, NATIVE), (True, REGIONS)],
)


class Place:
    """A loop, cold or hot, round one access, which is then made at any address."""

    def __init__(self, text, *, little_endian, hot):
        text = f"{text}; nop; b -8"
        self.program = Program(text, little_endian=little_endian, hot=hot, r3=DATA)
        self.program.processor.breakpoints.update((0x200, 0x600))
        self.msr = self.program.state.read(MSR)
        self.program.run(ROUNDS)

    def access(self, ea):
        """Go through the loop once; return the vector of the interrupt, or None."""
        program = self.program
        for register, value in {3: ea, 4: STORED, 5: 99, 8: 98, 9: 97}.items():
            program.set(f"r{register}", value)
        program.state.write(CIA, CODE)
        program.state.write(MSR, self.msr)
        program.memory.write(0, PATTERN[:CODE])
        program.memory.write(BEHIND_CODE, PATTERN[BEHIND_CODE:])
        self.before = program.memory.read(0, RAM)
        reason = program.run(3)
        if isinstance(reason, Breakpoint):
            return reason.cia
        assert (reason, program.cia) == (BudgetSpent(), CODE)
        return None

    def assert_nothing_happened_but(self, vector, dar):
        program = self.program
        assert (program.cia, program.state.read(SRR0)) == (vector, CODE)
        assert program.state.read(DAR) == dar
        assert [program.gpr(number) for number in (4, 5, 8, 9)] == [STORED, 99, 98, 97]
        assert program.memory.read(0, RAM) == self.before


def first_missing(ea, size):
    """Return the first byte that is not in RAM, if one isn't."""
    addresses = ((ea + number) % TOP for number in range(size))
    return next((address for address in addresses if address % REAL >= RAM), None)


def order(text, *, little_endian):
    return "little" if little_endian ^ ("brx" in text) else "big"


@modes
@pytest.mark.parametrize("text", LOADS)
def test_a_load_gets_every_byte_or_none(text, little_endian, hot):
    place, size = Place(text, little_endian=little_endian, hot=hot), LOADS[text]

    for ea in EDGES:
        vector, missing = place.access(ea), first_missing(ea, size)

        assert vector == (None if missing is None else 0x200), hex(ea)
        assert place.program.gpr(3) == ea
        if vector:
            place.assert_nothing_happened_but(vector, missing)
        else:
            data = place.before[ea % REAL : ea % REAL + size]
            number = int.from_bytes(
                data, order(text, little_endian=little_endian), signed=text[2] == "a"
            )
            assert place.program.gpr(5) == number % TOP


@modes
@pytest.mark.parametrize("text", STORES)
def test_a_store_puts_every_byte_or_none(text, little_endian, hot):
    place, size = Place(text, little_endian=little_endian, hot=hot), STORES[text]

    for ea in EDGES:
        vector, missing = place.access(ea), first_missing(ea, size)

        assert vector == (None if missing is None else 0x200), hex(ea)
        assert place.program.gpr(3) == ea
        if vector:
            place.assert_nothing_happened_but(vector, missing)
        else:
            data = (STORED % (1 << 8 * size)).to_bytes(
                size, order(text, little_endian=little_endian)
            )
            ra, before = ea % REAL, place.before
            after = before[:ra] + data + before[ra + size :]
            assert place.program.memory.read(0, RAM) == after


@modes
@pytest.mark.parametrize("text", ALIGNED)
def test_alignment_is_looked_at_before_storage(text, little_endian, hot):
    place, size = Place(text, little_endian=little_endian, hot=hot), ALIGNED[text]

    for ea in EDGES:
        vector = place.access(ea)

        if ea % size:
            assert vector == 0x600, hex(ea)
            place.assert_nothing_happened_but(vector, ea)
        elif first_missing(ea, size) is None:
            assert vector is None
        elif vector is not None:
            place.assert_nothing_happened_but(0x200, ea)
