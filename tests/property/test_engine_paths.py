"""All ways to execute an instruction: prepared, careful, in a trace, and as host code."""

from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.engine.processor import Processor
from papvmm.isa.encode import encode
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_PR, MSR_SF
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.state import CTR, GPR, LR, MSR
from tests.fakes import EverythingIsOdd
from tests.programs import CODE, DATA, NATIVE, NEVER, REGIONS, Program
from tests.strategies import operand_numbers

ROUNDS = 80
EDGES = [0, 1, 7, 31, 63, (1 << 31) - 1, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]
NUMBERS = st.integers(DATA, DATA + 64) | st.sampled_from(EDGES) | st.integers(0, (1 << 64) - 1)


@st.composite
def words(draw):
    instruction = draw(st.sampled_from(INSTRUCTIONS))
    values = {o: draw(operand_numbers(o)) for o in {*instruction.operands, *instruction.statics}}
    return encode(
        instruction,
        tuple(values[operand] for operand in instruction.statics),
        *(values[operand] for operand in instruction.operands),
    )


@st.composite
def scenes(draw):
    """Registers, a mode and an instruction between ``nop`` and a branch back."""
    return {
        "word": draw(words()),
        "gprs": draw(st.lists(NUMBERS, min_size=32, max_size=32)),
        "lr": draw(st.sampled_from([CODE, CODE + 4, CODE + 8, CODE + 16])),
        "ctr": draw(st.sampled_from([CODE, CODE + 8, 1, 2, 3, 0])),
        "cr": draw(st.integers(0, (1 << 32) - 1)),
        "xer": draw(st.integers(0, (1 << 64) - 1)),
        "mode": draw(st.sampled_from([MSR_SF, MSR_SF, MSR_SF | MSR_PR, 0])),
        "little_endian": draw(st.booleans()),
    }


def stage(scene, hot):
    program = Program("nop; nop; nop; b -12", hot=hot, little_endian=scene["little_endian"])
    order = "little" if scene["little_endian"] else "big"
    program.memory.write(CODE + 4, scene["word"].to_bytes(4, order))
    state = program.state
    for number, value in enumerate(scene["gprs"]):
        state.write(GPR, value, number)
    state.write(LR, scene["lr"])
    state.write(CTR, scene["ctr"])
    state.cr, state.xer = scene["cr"], scene["xer"]
    state.write(MSR, state.read(MSR) & ~MSR_SF | scene["mode"])
    program.memory.write(DATA, bytes(range(256)))
    program.processor.breakpoints.update(Interrupt)
    return program


@settings(max_examples=200, deadline=None)
@given(scenes(), st.sampled_from([NEVER, NATIVE]))
def test_cold_code_does_what_the_stepper_does(scene, heat):
    cold, careful = stage(scene, heat), stage(scene, NEVER)
    stepper = Processor(EverythingIsOdd(careful.state), careful.memory)
    stepper.breakpoints.update(Interrupt)

    assert cold.run(3) == stepper.run(3)
    assert cold.seen() == careful.seen()


@settings(max_examples=200, deadline=None)
@given(scenes(), st.sampled_from([1, NATIVE, REGIONS]))
def test_hot_code_does_what_cold_code_does(scene, heat):
    cold, hot = stage(scene, NEVER), stage(scene, heat)

    assert hot.run(4 * ROUNDS) == cold.run(4 * ROUNDS)
    assert hot.seen() == cold.seen()
