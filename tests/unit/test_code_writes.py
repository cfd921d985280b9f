"""Code that changes: never stale once the store that changes it is complete."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.engine.accel import python_engines
from papvmm.engine.exits import Breakpoint, BudgetSpent, PaprHcall
from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_SF
from papvmm.isa.state import CIA, GPR, MSR
from papvmm.memory.guest_memory import CODE_LINE
from papvmm.mmu.hash_table import HashTable
from tests.programs import CODE, NATIVE, NEVER, REGIONS, Program, image

ADD_16 = assemble("addi 3,3,16")

every_heat = pytest.mark.parametrize("hot", [1, 3, NEVER, NATIVE, REGIONS])


@every_heat
def test_a_loop_that_changes_its_next_instruction_executes_the_new_one(hot):
    """In the tenth round the store replaces the instruction right behind it."""
    text = "li 9,10; mtctr 9; bdnz 12; stw 5,16(4); b 4; addi 3,3,1; cmpdi 3,100; blt -20; sc 1"
    program = Program(text, hot=hot, r4=CODE + 4, r5=ADD_16)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 9 + 16 * 6


@every_heat
def test_a_store_just_before_the_code_it_changes(hot):
    text = "addi 6,6,1; stwx 6,4,7; stw 5,16(4); nop; addi 3,3,1; bdnz -20; sc 1"
    program = Program(text, hot=hot, r4=CODE, r7=0x3000, r5=assemble("addi 3,3,1"), ctr=50)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 50


@every_heat
def test_a_store_that_begins_on_the_line_before(hot):
    """The doubleword's second half is the instruction at the start of the next line."""
    at = CODE + CODE_LINE
    text = "addi 3,3,1; addi 6,6,1; cmpdi 6,60; bne 8; std 5,-4(4); cmpdi 6,70; blt -24; sc 1"
    program = Program(text, at=at, hot=hot, r4=at, r5=ADD_16)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 60 + 16 * 10


@every_heat
def test_what_the_debugger_writes_is_executed(hot):
    program = Program("addi 3,3,1; b -4", hot=hot)
    program.run(1000)

    program.memory.write(CODE, ADD_16.to_bytes(4, "big"))

    assert program.run(10) == BudgetSpent()
    assert program.gpr(3) == 500 + 16 * 5


def test_what_one_vcpu_writes_another_executes():
    program = Program("addi 3,3,1; b -4")
    first, second = python_engines(program.memory, HashTable(), 2)
    program.memory.write(0x2000, image("stw 5,0(4); b 0"))
    for engine, cia in ((first, CODE), (second, 0x2000)):
        engine.state.write(MSR, MSR_SF)
        engine.state.write(CIA, cia)
    second.state.write(GPR, CODE, 4)
    second.state.write(GPR, ADD_16, 5)
    first.run(1000)

    second.run(1)

    first.run(10)
    assert first.state.read(GPR, 3) == 500 + 16 * 5


@every_heat
def test_a_breakpoint_set_in_hot_code_stops_before_its_instruction(hot):
    program = Program("addi 3,3,1; addi 4,4,1; b -8", hot=hot)
    program.run(3000)

    program.processor.breakpoints.add(CODE + 4)

    assert program.run(1000) == Breakpoint(CODE + 4)
    assert (program.gpr(3), program.gpr(4)) == (1001, 1000)
    assert program.run(1000) == Breakpoint(CODE + 4)
    assert program.now == 3004
    program.processor.breakpoints.clear()
    assert program.run(1000) == BudgetSpent()


def test_code_may_change_after_its_trace_had_to_make_room():
    """There is room for one trace: the outer loop's takes the place of the inner one's."""
    inner = 0x2000
    text = f"""
start:  li r9,20; mtctr r9; bl .+{inner - CODE - 8}
        cmpdi r6,30; bne skip; stw r5,0(r4)
skip:   addi r6,r6,1; cmpdi r6,60; blt start
        sc 1
    """
    cold, hot = (Program(text, hot=hot, traces=1, r4=inner, r5=ADD_16) for hot in (NEVER, 2))
    for program in (cold, hot):
        program.memory.write(inner, image("addi r3,r3,1; bdnz -4; blr"))

    assert hot.run(100_000) == cold.run(100_000) == PaprHcall()
    assert hot.gpr(3) == cold.gpr(3) == 31 * 20 + 29 * 20 * 16


WORDS = [assemble(line) for line in ("addi 3,3,1", "addi 4,4,3", "b 8", "mulli 3,3,5", "nop")]
LINES = (
    "addi 3,3,1", "xor 4,4,3", "b 8", "stw {word},{target}(12)", "std {word},{target}(12)"
)  # fmt: skip
SIZE = 20


@st.composite
def mutants(draw):
    """Loops that write instructions into themselves, others each time round."""
    lines = [
        draw(st.sampled_from(LINES)).format(
            word=draw(st.integers(20, 20 + len(WORDS) - 1)),
            target=4 * draw(st.integers(0, SIZE - 2)),
        )
        for _ in range(SIZE - 1)
    ]
    rotate = ("nop", "mr 26,20", "mr 20,21", "mr 21,22", "mr 22,26")
    return "; ".join((*lines, *rotate, f"bdnz {-4 * (SIZE + len(rotate) - 1)}", "sc 1"))


@settings(max_examples=60, deadline=None)
@given(mutants(), st.integers(64, 4000), st.sampled_from([1, 2, 9, NATIVE, REGIONS]))
def test_code_that_rewrites_itself_runs_the_same_hot_and_cold(text, budget, hot):
    words = {f"r{20 + n}": word << 32 | word for n, word in enumerate(WORDS)}
    cold = Program(text, hot=NEVER, r12=CODE, ctr=150, **words)
    warm = Program(text, hot=hot, r12=CODE, ctr=150, **words)

    assert warm.run(budget) == cold.run(budget)
    assert warm.seen() == cold.seen()
