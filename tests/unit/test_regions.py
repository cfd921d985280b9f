"""Hot code of the native engine: when it is compiled, and when it is dropped."""

from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.isa.encode import assemble
from papvmm.isa.state import MSR, SRR1
from papvmm.memory.guest_memory import CODE_LINE
from tests.programs import CODE, NATIVE, REGIONS, Program, image

LOOP = "addi 3,3,1; b -4"
ADD_16 = assemble("addi 3,3,16").to_bytes(4, "big")


def has_region(program):
    return bool(program.memory.code[CODE // CODE_LINE] & CODE_REGION)


def test_a_hot_loop_becomes_a_region():
    program = Program(LOOP, hot=REGIONS)

    assert program.run(5000) == BudgetSpent()
    assert has_region(program)
    assert (program.gpr(3), program.now) == (2500, 5000)


def test_code_that_runs_rarely_is_interpreted():
    program = Program(LOOP, hot=NATIVE)
    program.run(5000)

    assert not has_region(program)


def test_a_region_whose_code_is_written_is_dropped():
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)

    program.memory.write(CODE, ADD_16)

    assert not has_region(program)
    program.run(5000)
    assert program.gpr(3) == 2500 + 16 * 2500


def test_a_line_whose_region_was_dropped_is_not_compiled_again():
    """Its code modifies itself, or there is data beside it."""
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)
    program.memory.write(CODE, ADD_16)

    program.run(5000)

    assert not has_region(program)


def test_what_is_sampled_where_there_is_no_memory_is_not_compiled():
    """Every hundredth instruction returns to nowhere, and its handler from there."""
    program = Program("nop; nop; mtspr 26,3; rfid", hot=REGIONS, r3=1 << 40, r5=CODE + 8)
    program.memory.write(0x200, image("mtspr 26,5; rfid"))
    program.state.write(SRR1, program.state.read(MSR))

    assert program.run(1002) == BudgetSpent()
    assert program.cia == CODE + 8


def test_a_breakpoint_in_a_region_stops_before_its_instruction():
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)

    program.processor.breakpoints.add(CODE + 4)

    assert program.run(5000) == Breakpoint(CODE + 4)
    assert program.gpr(3) == 2501


def test_a_fault_in_a_region_leaves_the_state_before_its_instruction():
    text = "ldu 5,8(3); addi 4,4,1; b -8"
    program = Program(text, hot=REGIONS, r3=0)
    program.processor.breakpoints.add(0x200)

    assert program.run(1 << 20) == Breakpoint(0x200)
    assert program.gpr(4) == 0x10000 // 8 - 1
    assert program.gpr(3) == 0x10000 - 8
