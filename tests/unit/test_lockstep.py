"""Lock-step: a difference between two engines is found, and its instruction named."""

import pytest

from papvmm.engine.exits import BudgetSpent, PaprHcall
from papvmm.engine.lockstep import EnginesDiffer, Lockstep, Twin
from papvmm.engine.processor import Processor
from papvmm.engine.python.code_cache import CodeCache
from papvmm.engine.python.executor import PythonExecutor
from papvmm.isa.encode import assemble
from papvmm.isa.state import CIA, GPR, NOW, ArchState
from tests.programs import CODE, DATA, NATIVE, REGIONS, SIEVE, Program


class Damaged:
    """An executor that does something wrong at one moment."""

    def __init__(self, executor, count, damage):
        self.executor, self.count, self.damage = executor, count, damage
        self.state, self.breakpoints = executor.state, executor.breakpoints
        self.watchpoints = executor.watchpoints

    def run(self, budget):
        before = self.state.read(NOW)
        stop = self.executor.run(budget)
        if before < self.count <= self.state.read(NOW):
            self.damage()
        return stop


def lockstep(program, executor=None):
    twin = Twin(program.memory)
    follower = PythonExecutor(ArchState(), twin.memory, CodeCache(twin.memory))
    checked = Processor(executor or program.executor, program.memory)
    return Lockstep(checked, Processor(follower, twin.memory), twin)


def start(program):
    """Copy the program to the twin, as whoever loads a guest does."""
    program.memory.write(CODE, program.memory.read(CODE, 0x1000))


@pytest.mark.parametrize("heat", [NATIVE, REGIONS])
def test_engines_that_agree_run_to_the_end(heat):
    program = Program(SIEVE, hot=heat, ram=0x11000, r3=1000)
    engine = lockstep(program)
    start(program)

    assert engine.run(100_000) == PaprHcall()
    assert program.gpr(5) == 168


def test_a_wrong_register_is_found_at_its_instruction():
    program = Program("addi 3,3,1; addi 4,4,2; b -8", hot=NATIVE)
    wrong = Damaged(program.executor, 1001, lambda: program.state.write(GPR, 7, 4))
    engine = lockstep(program, wrong)
    start(program)

    with pytest.raises(EnginesDiffer) as raised:
        engine.run(3000)

    told = str(raised.value)
    assert "at count 1000" in told
    assert "0x1004  38840002  addi r4, r4, 2" in told
    assert "gpr[4] is 0x7, should be 0x29c" in told
    assert "gpr[RT] <- %2" in told


def test_a_wrong_store_is_found():
    program = Program("std 4,0(5); addi 4,4,1; b -8", hot=NATIVE, r5=DATA)
    ram = program.memory.ram
    wrong = Damaged(program.executor, 301, lambda: ram.__setitem__(DATA + 7, 0xFF))
    engine = lockstep(program, wrong)
    start(program)

    with pytest.raises(EnginesDiffer, match="memory at 0x4000 is 00000000000000ff, should be 0"):
        engine.run(3000)


def test_a_wrong_store_is_found_where_it_crosses_into_another_line():
    program = Program("std 4,0(5); stdx 4,5,6; addi 4,4,1; b -12", hot=NATIVE, r5=DATA, r6=0x7C)
    ram = program.memory.ram
    wrong = Damaged(program.executor, 402, lambda: ram.__setitem__(DATA + 0x83, 0xFF))
    engine = lockstep(program, wrong)
    start(program)

    with pytest.raises(EnginesDiffer, match=r"memory at 0x4080 is 000000ff00000000, should be 0"):
        engine.run(3000)


def test_a_store_that_only_one_engine_makes_is_found():
    program = Program("addi 4,4,1; b -4", hot=NATIVE)
    ram = program.memory.ram
    wrong = Damaged(program.executor, 301, lambda: ram.__setitem__(DATA, 1))
    engine = lockstep(program, wrong)
    start(program)

    with pytest.raises(EnginesDiffer, match="memory at 0x4000 was stored to by one engine only"):
        engine.run(2_000_000)


def test_what_others_write_reaches_both_engines():
    program = Program("addi 3,3,1; b -4", hot=NATIVE)
    engine = lockstep(program)
    start(program)
    engine.run(1000)

    program.memory.write(CODE, assemble("addi 3,3,16").to_bytes(4, "big"))

    assert engine.run(1000) == BudgetSpent()
    assert program.gpr(3) == 500 + 16 * 500


def test_registers_that_others_set_are_those_of_both_engines():
    program = Program("nop; b -4; addi 3,3,1; b -4", hot=NATIVE)
    engine = lockstep(program)
    start(program)
    engine.run(1000)

    program.state.write(CIA, CODE + 8)

    assert engine.run(10) == BudgetSpent()
    assert program.gpr(3) == 5
