"""Real mode ignores the highest bits of an address: Power ISA v3.0B Book III, 5.7.3.

Linux runs so while it takes over the machine: linked at 0xC000000000000000, with translation off.
"""

import pytest

from papvmm.engine.exits import PaprHcall
from papvmm.isa.encode import assemble
from papvmm.isa.state import CIA
from tests.programs import CODE, DATA, NATIVE, NEVER, REGIONS, Program

HIGH = 0xC << 60
ENGINES = pytest.mark.parametrize("heat", [1, NEVER, NATIVE, REGIONS])

COUNT = """
    loop: ldx 4,0,5; addi 4,4,1; stdx 4,0,6; bdnz loop
    sc 1
"""


@ENGINES
def test_code_and_data_are_at_the_address_without_these_bits(heat):
    program = Program(COUNT, hot=heat, r5=HIGH | DATA, r6=DATA, ctr=1000)
    program.state.write(CIA, HIGH | CODE)

    assert program.run(100_000) == PaprHcall()
    assert program.memory.load_be(DATA, 8) == 1000
    assert program.state.read(CIA) == (HIGH | CODE) + 20


@ENGINES
def test_code_that_is_written_at_another_one_of_its_addresses_changes(heat):
    """It writes the second instruction, as data, at its lowest address, half way through."""
    text = "loop: stw 7,4(8); addi 4,4,1; bdnz loop; mr 7,9; mtctr 10; cmpdi 11,1; addi 11,11,1; "
    text += "bne loop; sc 1"
    program = Program(
        text, hot=heat, r7=assemble("addi 4,4,1"), r9=assemble("addi 4,4,16"), r8=CODE,
        r10=200, ctr=200, r11=0,
    )  # fmt: skip
    program.state.write(CIA, HIGH | CODE)

    assert program.run(100_000) == PaprHcall()
    assert program.gpr(4) == 200 + 16 * 200
