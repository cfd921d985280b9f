"""Generated programs: the engines do the same, to the bit and to the instruction.

``tools/lockstep`` compares many more of them.
"""

from struct import unpack

import pytest

from papvmm.isa import decode
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.state import VRSAVE
from papvmm.isa.versions import Isa
from tests.programs import HOT, NATIVE, REGIONS
from tools.lockstep.engines import INTERPRETED, LONG, TRANSLATED, EnginesDisagree, Pair
from tools.lockstep.programs import FIRST_CODE, generate

FIRST = 5_000_000
slow = pytest.mark.slow


@pytest.mark.parametrize("numbers", [range(60), pytest.param(range(60, 1500), marks=slow)])
def test_the_native_interpreter_does_what_the_python_engine_does(numbers):
    pair = Pair(NATIVE)

    for number in numbers:
        assert pair.compare(FIRST + number, INTERPRETED) > 0


@pytest.mark.parametrize(
    "number", [*range(2), *(pytest.param(number, marks=slow) for number in range(2, 40))]
)
def test_regions_do_what_the_python_engine_does(number):
    assert Pair(REGIONS).compare(FIRST + number, TRANSLATED) > 0


@pytest.mark.parametrize("heat", [1, 2])
def test_traces_do_what_interpreted_code_does(heat):
    pair = Pair(heat)

    for number in range(40):
        assert pair.compare(FIRST + number, INTERPRETED) > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_a_million_random_instructions_stay_in_ram(number):
    """An access beside RAM would end the process."""
    assert Pair(REGIONS, reference=HOT).compare(FIRST + number, LONG) > 0


def test_a_difference_is_told_with_its_program(monkeypatch):
    pair = Pair(NATIVE)
    executor = pair._checked.executor
    run = executor.run

    def wrong(budget):
        stop = run(budget)
        executor.state.write(VRSAVE, 77)
        return stop

    monkeypatch.setattr(pair._checked.engine, "_execute", wrong)

    with pytest.raises(EnginesDisagree) as raised:
        pair.compare(FIRST, INTERPRETED)

    assert f"program {FIRST}, start 0, native engine" in str(raised.value)
    assert "vrsave[0] is 0x4d, should be 0x" in str(raised.value)
    assert "In lock-step, it did not happen again." in str(raised.value)


def test_every_instruction_is_met():
    met = set()
    for number in range(1200):
        program = generate(number)
        code = dict(program.pieces)[FIRST_CODE]
        words = unpack(f"{'<' if program.little_endian else '>'}{len(code) // 4}I", code)
        met |= {decode.lookup(word) for word in set(words)}

    unmet = [one.mnemonic for one in INSTRUCTIONS if one not in met and one.versions & Isa.V3_0]
    assert unmet == []


def test_a_program_has_both_byte_orders():
    assert {generate(number).little_endian for number in range(20)} == {False, True}
