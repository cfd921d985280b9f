"""What a processor has of the Power ISA's versions, on every engine."""

import pytest

from papvmm.engine.exits import Breakpoint
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_FP, MSR_PR, MSR_VEC, MSR_VSX
from papvmm.isa.state import FPSCR, SRR0, SRR1, VSR
from papvmm.isa.versions import Isa
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")

ILLEGAL, PRIVILEGED = 0x8_0000, 0x4_0000
ALL_UNITS = MSR_FP | MSR_VEC | MSR_VSX

LOOP = """
      li 9,200; mtctr 9; li 7,0
back: {text}
      addi 7,7,1; bdnz back
      b .
"""
"""Code that is hot enough for every way to execute it."""


def ends(text, isa, *, msr=ALL_UNITS):
    """Run an instruction many times; return the interrupt it causes, and why, or None."""
    program = Program(LOOP.format(text=text), msr=msr, isa=isa, r3=DATA, r4=DATA, r5=1)
    program.processor.breakpoints.update(Interrupt)
    reason = program.run(5000)
    if not isinstance(reason, Breakpoint):
        assert program.gpr(7) == 200
        return None
    assert program.state.read(SRR0) == CODE + 12
    return reason.cia, program.state.read(SRR1) & 0x783F_0000


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("cnttzd 8,5", Isa.V3_0, Isa.V3_1),
        ("modsd 8,4,5", Isa.V3_0, Isa.V3_1),
        ("addpcis 8,0", Isa.V3_0, Isa.V3_1),
        ("lxv 33,0(3)", Isa.V3_0, Isa.V3_1),
        ("darn 8,1", Isa.V3_0, Isa.V3_1),
        ("maddld 8,3,4,5", Isa.V3_0, Isa.V3_1),
        ("brd 8,5", Isa.V3_1, Isa.V3_1),
        ("setbc 8,2", Isa.V3_1, Isa.V3_1),
        ("pextd 8,4,5", Isa.V3_1, Isa.V3_1),
        ("lq 10,0(3)", Isa.V2_07, Isa.V3_1),
        ("popcntd 8,5", Isa.V2_07, Isa.V3_1),
        (".long 0x10850403", Isa.V3_0, Isa.V3_1),
    ],
)
def test_an_instruction_is_illegal_before_the_version_that_added_it(text, since, until):
    for isa in Isa:
        if since <= isa <= until and ".long" not in text:
            assert ends(text, isa) is None
        elif ".long" not in text or isa < since:
            assert ends(text, isa) == (Interrupt.PROGRAM, ILLEGAL)


def test_an_instruction_of_a_later_version_is_illegal_though_its_facility_is_off():
    vabsdub = ".long 0x10850403"

    assert ends(vabsdub, Isa.V2_07, msr=0) == (Interrupt.PROGRAM, ILLEGAL)
    assert ends(vabsdub, Isa.V3_0, msr=0) == (Interrupt.VECTOR_UNAVAILABLE, 0)


def test_transactions_are_unavailable_until_power9_and_illegal_from_power10_on():
    tbegin = ".long 0x7c00051d"

    assert ends(tbegin, Isa.V2_07) == (Interrupt.FACILITY_UNAVAILABLE, 0)
    assert ends(tbegin, Isa.V3_0) == (Interrupt.FACILITY_UNAVAILABLE, 0)
    assert ends(tbegin, Isa.V3_1) == (Interrupt.PROGRAM, ILLEGAL)


def test_power_saving_instructions_are_the_hypervisors_on_power8_and_gone_since():
    nap = ".long 0x4c000364"

    assert ends(nap, Isa.V2_07) == (Interrupt.PROGRAM, PRIVILEGED)
    assert ends(nap, Isa.V3_0) == (Interrupt.PROGRAM, ILLEGAL)


@pytest.mark.parametrize("isa", Isa)
def test_power8_reads_all_of_fpscr_whatever_part_later_ones_are_asked_for(isa):
    program = Program("mffsce 3; mffs 4; b .", msr=MSR_FP, isa=isa)
    program.state.write(FPSCR, 0xF8)

    program.run(3)

    enables_after = 0xF8 if isa is Isa.V2_07 else 0
    assert program.state.read(VSR, 7) == 0xF8
    assert program.state.read(VSR, 9) == enables_after


@pytest.mark.parametrize(
    ("number", "owners"),
    [
        (144, {Isa.V3_0}),
        (823, {Isa.V3_0, Isa.V3_1}),
        (468, {Isa.V3_1}),
        (754, {Isa.V3_1}),
        (752, {Isa.V3_1}),
        (828, {Isa.V3_1}),
        (815, set(Isa)),
    ],
)
def test_an_spr_the_processor_lacks_is_no_register_to_its_kernel(number, owners):
    for isa in Isa:
        program = Program(f"mtspr {number},3; li 4,7; mfspr 4,{number}; b .", isa=isa, r3=-2)

        program.run(5)

        assert program.gpr(4) == ((1 << 64) - 2 if isa in owners else 7)


def test_an_spr_the_processor_lacks_is_illegal_in_problem_state():
    text = "mfspr 4,812"

    assert ends(text, Isa.V3_0, msr=MSR_PR) == (Interrupt.PROGRAM, ILLEGAL)
    assert ends(text, Isa.V3_1, msr=MSR_PR) is None
    assert ends("mfspr 4,130", Isa.V3_1, msr=MSR_PR) == (Interrupt.PROGRAM, ILLEGAL)
    assert ends("mfspr 4,130", Isa.V2_07, msr=MSR_PR) == (Interrupt.FACILITY_UNAVAILABLE, 0)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("brh 3,4", 0x2301_6745_AB89_EFCD),
        ("brw 3,4", 0x6745_2301_EFCD_AB89),
        ("brd 3,4", 0xEFCD_AB89_6745_2301),
        ("pextd 3,4,5", 0x1357_9BDF),
        ("pdepd 3,4,5", 0x0809_0A0B_0C0D_0E0F),
        ("cntlzdm 3,4,5", 3),
        ("cnttzdm 3,4,5", 0),
        ("cfuged 3,4,5", 0x0246_8ACE_1357_9BDF),
    ],
)
def test_what_version_3_1_added_for_bytes_and_bits(text, expected):
    """Values follow from the ISA's pseudocode: 4 bits in 8 are selected, those to the right."""
    program = Program(
        f"{text}; b .", isa=Isa.V3_1, r4=0x0123_4567_89AB_CDEF, r5=0x0F0F_0F0F_0F0F_0F0F
    )

    program.run(2)

    assert program.gpr(3) == expected


@pytest.mark.parametrize(
    ("name", "one", "zero"),
    [("setbc", 1, 0), ("setbcr", 0, 1), ("setnbc", -1, 0), ("setnbcr", 0, -1)],
)
def test_a_bit_of_cr_becomes_a_number(name, one, zero):
    for value, expected in ((1, one), (0, zero)):
        program = Program(f"mtcrf 255,4; {name} 3,31; b .", isa=Isa.V3_1, r4=value)

        program.run(3)

        assert program.gpr(3) == expected & (1 << 64) - 1


def test_a_power8_has_what_its_kernel_runs_in_problem_state_too():
    assert ends("isel 8,3,4,2", Isa.V2_07, msr=ALL_UNITS | MSR_PR) is None
    assert ends("scv 0", Isa.V2_07, msr=MSR_PR) == (Interrupt.PROGRAM, ILLEGAL)
