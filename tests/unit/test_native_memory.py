"""What native code touches: guest RAM and its own state, and nothing else."""

import subprocess
import sys

import pytest

from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_FP
from papvmm.isa.state import CIA, DAR, GPR
from papvmm.memory.guest_memory import CODE_LINE, PAGE
from tests.programs import CODE, DATA, NATIVE, NEVER, RAM, REGIONS, GuardedMemory, Program

LOADS = {"lbz": 1, "lhz": 2, "lwz": 4, "ld": 8, "lq": 16}
STORES = {"stb": 1, "sth": 2, "stw": 4, "std": 8, "stq": 16}
EDGES = sorted(
    {
        (base + distance) % (1 << 64)
        for base in (0, 4096, RAM, 1 << 31, 1 << 32, 1 << 59, 1 << 60, (1 << 60) + RAM, 1 << 63)
        for distance in (-17, -16, -15, -8, -7, -4, -3, -2, -1, 0, 1, 8, 16)
    }
)


def edge_program(mnemonic, ea, heat, *, little_endian=False):
    text = f"{mnemonic} 4,0(10); b -4"
    program = Program(text, hot=heat, little_endian=little_endian, r10=ea, r4=0x0102030405060708)
    program.state.write(DAR, 0)
    program.memory.write(DATA, bytes(range(256)))
    program.processor.breakpoints.update(Interrupt)
    return program


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize("mnemonic", [*LOADS, *STORES])
def test_every_size_of_access_at_every_edge_does_what_the_python_engine_does(
    mnemonic, little_endian
):
    for ea in EDGES:
        python = edge_program(mnemonic, ea, NEVER, little_endian=little_endian)
        native = edge_program(mnemonic, ea, NATIVE, little_endian=little_endian)

        assert native.run(3) == python.run(3), hex(ea)
        assert native.seen() == python.seen(), hex(ea)


@pytest.mark.parametrize("mnemonic", ["ld", "std"])
def test_the_last_bytes_of_ram_can_be_accessed_and_the_next_ones_not(mnemonic):
    inside = edge_program(mnemonic, RAM - 8, NATIVE)
    outside = edge_program(mnemonic, RAM - 7, NATIVE)

    assert inside.run(1) == BudgetSpent()
    assert outside.run(1) == Breakpoint(Interrupt.MACHINE_CHECK)
    assert outside.state.read(DAR) == RAM


def test_real_mode_ignores_the_first_four_bits_of_an_address():
    program = edge_program("std", 0xC000_0000_0000_0000 | DATA, NATIVE)

    assert program.run(1) == BudgetSpent()
    assert program.memory.load_be(DATA, 8) == 0x0102030405060708


@pytest.mark.parametrize("size", [2, 4, 8])
def test_accesses_across_pages_are_whole(size):
    store = {2: "sth", 4: "stw", 8: "std"}[size]
    for before in range(1, size):
        ea = DATA + PAGE - before
        program = edge_program(store, ea, NATIVE)

        assert program.run(1) == BudgetSpent()
        assert program.memory.load_be(ea, size) == 0x0102030405060708 & (1 << 8 * size) - 1


WRITABLE_CODE = """
import re
import time
from pathlib import Path
from papvmm import Machine
from papvmm.isa.encode import assemble

machine = Machine(memory="1M", accel="native")
found, executable = [], set()
for number in range(60):
    at = number % 7 * 4096
    loop = assemble(f"addi 3,3,{number}").to_bytes(4) + assemble("b -4").to_bytes(4)
    machine.memory.write(at, loop)
    machine.vcpus[0].pc = at
    machine.run(max_instructions=500_000)
    maps = Path("/proc/self/maps").read_text().splitlines()
    found += [line for line in maps if re.match(r"\\S+ .wx", line)]
    executable |= {line for line in maps if re.match(r"\\S+ r-xp 0+ 00:00 0 *$", line)}
    time.sleep(0.01)
print(found, len(executable) > 1, machine.icount)
"""


def test_no_page_is_writable_and_executable():
    """In a process of its own: test libraries map such pages, too.

    Regions come and go meanwhile; there are at least the interpreter and one of them.
    """
    done = subprocess.run(
        (sys.executable, "-c", WRITABLE_CODE), capture_output=True, text=True, check=True
    )

    assert done.stdout == "[] True 30000000\n"


def test_code_runs_up_to_the_end_of_ram_and_not_beyond():
    program = Program("nop; nop", at=RAM - 8, hot=NATIVE)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(10) == Breakpoint(Interrupt.MACHINE_CHECK)
    assert program.now == 2


def test_code_and_stores_that_meet_across_a_page_are_never_stale():
    """The doubleword's second half is the first instruction of the next page."""
    text = "addi 3,3,1; cmpdi 3,5; bne 12; std 5,-4(4); nop; cmpdi 3,200; blt -24; b 0"
    at = CODE + PAGE
    program = Program(text, at=at, hot=NATIVE, r4=at, r5=0x38630010)

    program.run(3000)

    assert program.gpr(3) == 5 + 16 * 13


def test_pages_beside_ram_are_never_touched():
    """Every access here that is not wholly inside RAM would end the process."""
    lines = [f"{m} 4,{d}(10)" for m in LOADS | STORES for d in (-32, -16, 0, 16)]
    text = "; ".join((*lines, "b 0"))
    for near in (0, RAM, RAM - 8, 8, 1, RAM - 1):
        program = Program(text, hot=NATIVE, ram=GuardedMemory(RAM), r10=near % (1 << 64))
        program.processor.breakpoints.update(Interrupt)
        for number in range(len(lines)):
            program.state.write(CIA, CODE + 4 * number)
            reason = program.run(1)

            assert reason in (BudgetSpent(), Breakpoint(0x200), Breakpoint(0x600))


@pytest.mark.parametrize(
    "mnemonic",
    ["lbz", "lhz", "lha", "lwz", "lwa", "ld", "lq", "lfs", "lfd", "stb", "sth", "stw", "std", "stq",
     "stfs", "stfd"],
)  # fmt: skip
def test_a_region_does_at_every_edge_what_the_python_engine_does(mnemonic):
    """The region is made for harmless addresses; RAM lies between guarded pages."""
    text = f"{mnemonic} 4,0(10); addi 5,5,1; b -8"
    region = Program(text, hot=REGIONS, msr=MSR_FP, ram=GuardedMemory(RAM), r10=DATA)
    python = Program(text, hot=NEVER, msr=MSR_FP, r10=DATA)
    for program in (region, python):
        program.processor.breakpoints.update(Interrupt)
        program.run(30_000)
    assert region.memory.code[CODE // CODE_LINE] & CODE_REGION

    for ea in EDGES:
        for program in (region, python):
            program.state.write(CIA, CODE)
            program.state.write(GPR, ea, 10)

        assert region.run(1500) == python.run(1500), hex(ea)
        assert region.seen() == python.seen(), hex(ea)
