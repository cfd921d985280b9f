"""Interrupts as a guest kernel sees them: Power ISA v3.0B, Book III, chapter 6."""

import pytest

from papvmm.engine.exits import Breakpoint, BudgetSpent, Crash, NotBuilt, PaprHcall
from papvmm.engine.inputs import inject, is_interrupted, set_external
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import (
    MSR_BE,
    MSR_DR,
    MSR_EE,
    MSR_FP,
    MSR_IR,
    MSR_LE,
    MSR_ME,
    MSR_PR,
    MSR_RI,
    MSR_SE,
    MSR_SF,
    MSR_VEC,
    MSR_VSX,
)
from papvmm.isa.state import (
    CIA,
    DAR,
    DEC_EXPIRY,
    DPDES,
    DSISR,
    FSCR,
    LPCR,
    LPCR_HR,
    LPCR_LD,
    MSR,
    SDAR,
    SIAR,
    SRR0,
    SRR1,
    TB_OFFSET,
)
from papvmm.isa.versions import Isa
from papvmm.mmu.translate import Access, NoPageTable, RealMode, StorageInterrupt
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")

SUPERVISOR = MSR_SF | MSR_ME
LPCR_ILE = 1 << 25
OUTSIDE = 1 << 40
TOP = 0xFFFF_FFFF_FFFF_FFFC


def interrupted(text, **how):
    """Run into the first interrupt, and stop at its vector."""
    program = Program(text, **how)
    program.processor.breakpoints.update(Interrupt)
    reason = program.run(100)
    assert isinstance(reason, Breakpoint)
    return reason.cia, program


def seen(program, *cells):
    return tuple(program.state.read(cell) for cell in cells)


def test_an_interrupt_keeps_sf_and_me_and_clears_the_rest():
    msr = MSR_EE | MSR_PR | MSR_FP | MSR_RI

    vector, program = interrupted("nop; sc 0", msr=msr)

    assert vector == 0xC00
    assert seen(program, SRR0, SRR1, MSR) == (CODE + 8, SUPERVISOR | msr, SUPERVISOR)


@pytest.mark.parametrize(("lpcr", "le"), [(0, 0), (LPCR_ILE, MSR_LE)])
@pytest.mark.parametrize("little_endian", [False, True])
def test_the_byte_order_of_interrupts_is_that_of_lpcr(lpcr, le, little_endian):
    program = Program("sc 0", little_endian=little_endian)
    program.state.write(LPCR, lpcr)
    program.processor.breakpoints.add(0xC00)

    program.run(5)

    assert program.state.read(MSR) == SUPERVISOR | le
    assert program.state.read(SRR1) & MSR_LE == little_endian


@pytest.mark.parametrize(
    ("ail", "msr", "vector", "kept"),
    [
        (0, MSR_IR | MSR_DR, 0xC00, 0),
        (2 << 23, MSR_IR | MSR_DR, 0x1_8C00, MSR_IR | MSR_DR),
        (3 << 23, MSR_IR | MSR_DR, 0xC000_0000_0000_4C00, MSR_IR | MSR_DR),
        (3 << 23, MSR_IR, 0xC00, 0),
        (3 << 23, 0, 0xC00, 0),
    ],
)
def test_lpcr_relocates_interrupts_taken_with_translation_on(ail, msr, vector, kept):
    program = Program("sc 0", msr=msr, translated=RealMode())
    program.state.write(LPCR, ail)
    program.processor.breakpoints.add(vector)

    assert program.run(2) == Breakpoint(vector)
    assert seen(program, SRR0, SRR1, MSR) == (CODE + 4, SUPERVISOR | msr, SUPERVISOR | kept)


def test_a_machine_check_is_never_relocated():
    program = Program("ld 3,0(3)", msr=MSR_IR | MSR_DR, translated=RealMode(), r3=OUTSIDE)
    program.state.write(LPCR, 3 << 23)
    program.processor.breakpoints.add(0x200)

    assert program.run(2) == Breakpoint(0x200)
    assert program.state.read(MSR) == SUPERVISOR


def test_a_handler_returns_into_the_other_byte_order():
    program = Program("addi 3,3,1; sc 0; addi 3,3,16; sc 1", little_endian=True)
    handler = Program("addi 3,3,256; rfid", at=0xC00)
    program.memory.write(0xC00, handler.memory.read(0xC00, 8))

    assert program.run(100) == PaprHcall()
    assert program.gpr(3) == 0x111


@pytest.mark.parametrize(
    ("text", "msr", "cause"),
    [("mfspr 3,0", 0, 0x8_0000), ("mfmsr 3", MSR_PR, 0x4_0000), ("tdi 31,3,0", 0, 0x2_0000)],
)
def test_a_program_interrupt_says_why(text, msr, cause):
    vector, program = interrupted(text, msr=msr)

    assert vector == 0x700
    assert seen(program, SRR0, SRR1) == (CODE, SUPERVISOR | msr | cause)


def test_a_word_that_is_no_instruction_is_illegal():
    program = Program("nop")
    program.memory.write(CODE, bytes(4))
    program.processor.breakpoints.add(0x700)

    assert program.run(5) == Breakpoint(0x700)
    assert seen(program, SRR0, SRR1) == (CODE, SUPERVISOR | 0x8_0000)


@pytest.mark.parametrize(("lpcr", "expected", "cause"), [(LPCR_HR, 0x700, 0x4_0000), (0, 0xC00, 0)])
def test_a_hypercall_from_problem_state_is_its_kernels(lpcr, expected, cause):
    """As KVM answers: the sc is complete, and SRR0 past it."""
    program = Program("sc 1", msr=MSR_PR)
    program.state.write(LPCR, lpcr)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(100) == Breakpoint(expected)
    assert program.now == 1
    assert seen(program, SRR0, SRR1) == (CODE + 4, SUPERVISOR | MSR_PR | cause)


@pytest.mark.parametrize("text", ["lbz 4,0(3)", "lwz 4,0(3)", "lmw 31,0(3)", "std 4,0(3)"])
def test_data_outside_ram_is_a_machine_check(text):
    vector, program = interrupted(text, r3=TOP)

    assert vector == 0x200
    assert seen(program, SRR0, SRR1, DAR) == (CODE, SUPERVISOR | 0x20_0000, TOP)


def test_a_fetch_outside_ram_is_a_machine_check_that_leaves_dar():
    vector, program = interrupted("mtctr 3; bctr", r3=TOP)

    assert vector == 0x200
    assert seen(program, SRR0, DAR) == (TOP, 0)
    assert program.state.read(SRR1) & 0x20_0000 == 0


@pytest.mark.parametrize(
    ("isa", "dsisr", "of_a_fetch"),
    [
        (Isa.V2_07, 0x8000, 0x4_0000),
        (Isa.V3_0, 0x40, 0x80C_0000),
        (Isa.V3_1, 0x40, 0x80C_0000),
    ],
)
def test_a_machine_check_says_why_in_the_terms_of_the_processor(isa, dsisr, of_a_fetch):
    """Linux reads them in arch/powerpc/kernel/mce_power.c."""
    _, data = interrupted("lbz 4,0(3)", r3=TOP, isa=isa)
    _, fetch = interrupted("mtctr 3; bctr", r3=TOP, isa=isa)

    assert data.state.read(DSISR) == dsisr
    assert fetch.state.read(SRR1) & ~SUPERVISOR == of_a_fetch


DOORBELL_0, DOORBELL_1, CORE_DOORBELL = 5 << 27, 5 << 27 | 1, 4 << 27


def ringing(text, message=DOORBELL_0, **how):
    """A program with a message in r3 whose decrementer is far from 0."""
    program = Program(text, r3=message, **how)
    program.state.write(DEC_EXPIRY, 1 << 30)
    return program


def test_a_message_to_ones_own_thread_is_a_doorbell_interrupt():
    program = ringing("nop; msgsndp 3; nop", msr=MSR_EE)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(5) == Breakpoint(0xA00)
    assert seen(program, SRR0, SRR1) == (CODE + 8, SUPERVISOR | MSR_EE)
    assert program.state.read(DPDES) == 0


@pytest.mark.parametrize("message", [DOORBELL_1, CORE_DOORBELL])
def test_nobody_else_is_there_to_get_a_message(message):
    program = ringing("msgsndp 3; mfspr 4,176; b .", message, msr=MSR_EE, r4=7)

    assert program.run(5) == BudgetSpent()
    assert program.gpr(4) == 0


def test_a_doorbell_waits_for_ee_can_be_taken_back_and_wakes():
    waiting = ringing("msgsndp 3; mfspr 4,176; msgclrp 3; mfspr 5,176; b .")

    waiting.run(2)
    assert is_interrupted(waiting.state)
    waiting.run(3)

    assert (waiting.gpr(4), waiting.gpr(5)) == (1, 0)
    assert not is_interrupted(waiting.state)


def test_a_doorbell_comes_when_ee_is_switched_on_after_the_decrementer():
    text = f"msgsndp 3; mfmsr 4; ori 4,4,{MSR_EE}; mtmsrd 4,0; nop"
    program = Program(text, r3=DOORBELL_0)
    program.processor.breakpoints.update(Interrupt)
    program.state.write(DEC_EXPIRY, -1)

    assert program.run(10) == Breakpoint(0x900)
    assert program.state.read(DPDES) == 1


def test_real_mode_ignores_the_first_four_bits():
    program = Program("ld 4,0(3); sc 1", r3=0xC000_0000_0000_0000 + DATA)
    program.memory.store_be(DATA, 8, 0x1234)

    assert program.run(5) == PaprHcall()
    assert program.gpr(4) == 0x1234


@pytest.mark.parametrize(
    ("text", "dsisr"), [("ld 4,8(3)", 0x4000_0000), ("std 4,8(3)", 0x4200_0000)]
)
def test_data_without_a_translation_is_a_data_storage_interrupt(text, dsisr):
    vector, program = interrupted(text, msr=MSR_DR, r3=DATA, translated=NoPageTable())

    assert vector == 0x300
    assert seen(program, SRR0, SRR1, MSR) == (CODE, SUPERVISOR | MSR_DR, SUPERVISOR)
    assert seen(program, DAR, DSISR) == (DATA + 8, dsisr)


def test_a_fetch_without_a_translation_is_an_instruction_storage_interrupt():
    vector, program = interrupted("nop", msr=MSR_IR, translated=NoPageTable())

    assert vector == 0x400
    assert seen(program, SRR0, SRR1) == (CODE, SUPERVISOR | MSR_IR | 0x4000_0000)


class NoSegment:
    """A translation that has no segment for anything but code."""

    def translate(self, ea, access):
        if access is Access.FETCH and ea < OUTSIDE:
            return ea
        if access is Access.FETCH:
            raise StorageInterrupt(Interrupt.INSTRUCTION_SEGMENT, ea)
        raise StorageInterrupt(Interrupt.DATA_SEGMENT, ea, dsisr=0)


def test_segment_interrupts():
    how = {"msr": MSR_IR | MSR_DR, "translated": NoSegment(), "r3": OUTSIDE}
    data, program = interrupted("ld 4,0(3)", **how)
    code, other = interrupted("mtctr 3; bctr", **how)

    assert (data, *seen(program, SRR0, DAR)) == (0x380, CODE, OUTSIDE)
    assert (code, *seen(other, SRR0)) == (0x480, OUTSIDE)


@pytest.mark.parametrize("text", ["lwarx 4,0,3", "stwcx. 4,0,3", "lqarx 4,0,3"])
def test_an_operand_that_must_be_aligned_is_an_alignment_interrupt(text):
    vector, program = interrupted(text, r3=DATA + 2, r4=7)

    assert vector == 0x600
    assert seen(program, SRR0, SRR1, DAR) == (CODE, SUPERVISOR, DATA + 2)
    assert program.gpr(4) == 7


def test_an_unavailable_facility_is_named_in_fscr():
    vector, program = interrupted("mfspr 3,3", msr=MSR_PR)

    assert vector == 0xF60
    assert seen(program, SRR0, FSCR) == (CODE, 2 << 56)


FADD, VAND, XXLXOR = 0xFC22182A, 0x10222404, 0xF0421496
VADDFP, XVADDDP = 0x1022_200A, 0xF022_2300


@pytest.mark.parametrize(("word", "at"), [(FADD, 0x800), (VAND, 0xF20), (XXLXOR, 0xF40)])
def test_a_unit_that_is_off_is_unavailable(word, at):
    program = Program("nop")
    program.memory.store_be(CODE, 4, word)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(5) == Breakpoint(at)
    assert seen(program, SRR0, SRR1) == (CODE, SUPERVISOR)


@pytest.mark.parametrize("word", [VADDFP, XVADDDP])
def test_what_a_unit_that_is_on_can_not_do_yet_is_not_built(word):
    program = Program("nop", msr=MSR_FP | MSR_VEC | MSR_VSX)
    program.memory.store_be(CODE, 4, word)

    reason = program.run(5)

    assert isinstance(reason, NotBuilt)
    assert (reason.cia, reason.word, program.cia, program.now) == (CODE, word, CODE, 0)


@pytest.mark.parametrize("little_endian", [False, True])
def test_an_instruction_that_is_not_built_is_named(little_endian):
    program = Program("stop", little_endian=little_endian)

    assert program.run(5) == NotBuilt(CODE, 0x4C00_02E4, "stop")


def test_a_system_reset_comes_at_once():
    program = Program("nop")

    inject(program.state, Interrupt.SYSTEM_RESET)

    assert program.cia == 0x100
    assert seen(program, SRR0, SRR1, MSR) == (CODE, SUPERVISOR, SUPERVISOR)


def test_an_external_interrupt_waits_for_ee_and_then_comes_first():
    program = Program("nop; ori 4,4,0x8000; mtmsrd 4,1; nop")
    program.processor.breakpoints.update(Interrupt)
    set_external(program.state, pending=True)
    program.state.write(DEC_EXPIRY, (1 << 64) - 1)

    assert program.run(3) == BudgetSpent()
    assert program.run(1) == Breakpoint(0x500)
    assert seen(program, SRR0, SRR1) == (CODE + 12, SUPERVISOR | MSR_EE)


@pytest.mark.parametrize("hot", [1, 1 << 60])
@pytest.mark.parametrize("expiry", [0, 1, 10, 511])
@pytest.mark.parametrize("offset", [0, 1, (1 << 64) - 5])
def test_the_decrementer_interrupts_before_the_first_instruction_with_dec_below_zero(
    hot, expiry, offset
):
    program = Program("addi 3,3,1; b -4", msr=MSR_EE, hot=hot)
    program.state.write(TB_OFFSET, offset)
    program.state.write(DEC_EXPIRY, expiry + offset)
    program.processor.breakpoints.add(0x900)

    assert program.run(100_000) == Breakpoint(0x900)
    assert (program.now - 1) * 512 // 1000 == expiry < program.now * 512 // 1000
    assert program.gpr(3) == (program.now + 1) // 2


@pytest.mark.parametrize(
    ("lpcr", "dec", "fires"),
    [
        (0, 0x7FFF_FFFF, False),
        (0, 0x8000_0000, True),
        (0, 0xFFFF_FFFF_0000_0001, False),
        (LPCR_LD, 0x8000_0000, False),
        (LPCR_LD, 0x80_0000_0000_0000, True),
        (LPCR_LD, 0x7F_FFFF_FFFF_FFFF, False),
    ],
)
def test_the_decrementer_is_as_wide_as_lpcr_says(lpcr, dec, fires):
    program = Program("nop; nop", msr=MSR_EE)
    program.state.write(LPCR, lpcr)
    program.state.write(DEC_EXPIRY, dec)
    program.processor.breakpoints.add(0x900)

    assert program.run(1) == (Breakpoint(0x900) if fires else BudgetSpent())


def test_the_decrementer_is_a_level():
    """The handler returns twice without setting DEC, and a third time after it."""
    program = Program("addi 3,3,1; b -4", msr=MSR_EE)
    handler = Program("addi 5,5,1; cmpdi 5,3; bne 8; mtspr 22,6; rfid", at=0x900)
    program.memory.write(0x900, handler.memory.read(0x900, 20))
    program.set("r6", 1000)
    program.state.write(DEC_EXPIRY, (1 << 64) - 1)

    program.run(400)

    assert program.gpr(5) == 3


def test_setting_the_decrementer_below_zero_interrupts_the_next_instruction():
    vector, program = interrupted("mtspr 22,3; nop", msr=MSR_EE, r3=-1)

    assert (vector, *seen(program, SRR0)) == (0x900, CODE + 4)


def test_single_step_traces_the_instruction_after_the_one_that_asks_for_it():
    vector, program = interrupted(f"mfmsr 4; ori 4,4,{MSR_SE}; mtmsrd 4,0; nop; nop")

    assert vector == 0xD00
    assert seen(program, SRR0, SIAR) == (CODE + 16, CODE + 12)
    assert program.state.read(SRR1) == SUPERVISOR | MSR_SE | 0x4000_0000


@pytest.mark.parametrize(
    ("text", "access"),
    [("ld 4,8(3)", 1 << 28), ("std 4,8(3)", 1 << 27), ("lmw 29,8(3)", 1 << 28)],
)
def test_a_traced_access_says_what_it_was_and_where(text, access):
    vector, program = interrupted(text, msr=MSR_SE, r3=DATA)

    assert (vector, *seen(program, SIAR, SDAR)) == (0xD00, CODE, DATA + 8)
    assert program.state.read(SRR1) & 0x783F_0000 == 0x4000_0000 | access


def test_branch_trace_waits_for_a_branch():
    vector, program = interrupted("nop; nop; b 8; nop; nop", msr=MSR_BE)

    assert (vector, *seen(program, SRR0, SIAR)) == (0xD00, CODE + 16, CODE + 8)


def test_a_trap_under_single_step_is_only_a_program_interrupt():
    vector, program = interrupted("tdi 31,3,0; nop", msr=MSR_SE)

    assert (vector, *seen(program, SRR0, SIAR)) == (0x700, CODE, 0)


def test_rfid_under_single_step_is_not_traced():
    program = Program("rfid", msr=MSR_SE)
    program.state.write(SRR0, CODE + 0x100)
    program.state.write(SRR1, SUPERVISOR)
    program.processor.breakpoints.update((0xD00, CODE + 0x100))

    assert program.run(5) == Breakpoint(CODE + 0x100)


@pytest.mark.parametrize("text", ["nop", "mtmsrd 4,1", "b .+4", "sc 0"])
def test_a_budget_that_ends_at_a_breakpoint_stops_for_the_breakpoint(text):
    """Else the next run, which executes its first instruction anyway, would miss it."""
    at = 0xC00 if text == "sc 0" else CODE + 8
    program = Program(f"nop; {text}; nop")
    program.processor.breakpoints.add(at)

    assert program.run(2) == Breakpoint(at)


def test_a_breakpoint_behind_a_hypercall_stops_the_run_that_follows_it():
    program = Program("nop; sc 1; nop; nop")
    program.processor.breakpoints.add(CODE + 8)

    assert program.run(10) == PaprHcall()
    assert program.run(10) == Breakpoint(CODE + 8)
    assert program.run(2) == BudgetSpent()


def test_a_breakpoint_at_a_vector_stops_a_run_that_begins_with_the_interrupt():
    program = Program("nop", msr=MSR_EE)
    program.processor.breakpoints.update((CODE, 0x500))
    set_external(program.state, pending=True)

    assert program.run(1) == Breakpoint(0x500)


def test_handlers_that_all_fault_at_once_end_the_vcpu():
    program = Program("tdi 31,3,0")
    for vector in Interrupt:
        program.memory.write(vector, bytes(4))

    assert isinstance(program.run(1000), Crash)
    assert program.now == 0


def test_a_caller_may_provoke_as_many_interrupts_as_it_likes():
    program = Program("tdi 31,3,0")
    program.processor.breakpoints.add(0x700)

    for _ in range(40):
        program.state.write(CIA, CODE)
        assert program.run(1) == Breakpoint(0x700)


def test_interrupts_that_get_somewhere_go_on_for_ever():
    program = Program("tdi 31,3,0")
    handler = Program("addi 3,3,1; rfid", at=0x700)
    program.memory.write(0x700, handler.memory.read(0x700, 8))

    assert program.run(2000) == BudgetSpent()
    assert program.gpr(3) == 1000
