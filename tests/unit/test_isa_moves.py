"""Special purpose registers and the MSR, as a kernel and its programs see them (Book III)."""

import pytest

from papvmm.engine.exits import Breakpoint, PaprHcall
from papvmm.isa.interrupts import LPCR_AIL, LPCR_ILE
from papvmm.isa.msr import MSR_HV, MSR_LE, MSR_ME, MSR_PR, MSR_SF, MSR_TM
from papvmm.isa.state import (
    AMR,
    BESCR,
    CIA,
    CTR,
    DEC_EXPIRY,
    DSCR,
    FSCR,
    LPCR,
    LPCR_LD,
    LR,
    MMCR0,
    MSR,
    NOW,
    PPR,
    PSPB,
    PURR_OFFSET,
    SRR0,
    SRR1,
    TAR,
    TB_OFFSET,
    UAMOR,
)
from papvmm.mmu.translate import RealMode
from tests.programs import CODE, Program

pytestmark = pytest.mark.usefixtures("every_engine")

USER = MSR_PR | 0x8030
"""MSR bits of problem state; translation is off all the same in these tests."""
PATTERN = 0xCAFE_FACE_C0DE_BABE


def kernel(text, **registers):
    return Program(f"{text}; sc 1", **registers)


def user(text, **registers):
    program = Program(f"{text}; sc 1", msr=MSR_PR, **registers)
    program.processor.breakpoints.update((0x700, 0xF60))
    return program


@pytest.mark.parametrize(
    ("number", "width"),
    [(17, 64), (18, 32), (19, 64), (48, 32), (61, 64), (144, 64), (153, 64), (157, 64),
     (159, 32), (256, 32), (274, 64), (769, 64), (771, 32), (779, 64), (784, 64), (787, 32),
     (795, 64), (804, 64), (815, 64), (823, 64), (895, 64)],
)  # fmt: skip
def test_a_register_keeps_as_many_bits_as_it_has(number, width):
    program = kernel(f"mtspr {number},3; mfspr 4,{number}", r3=PATTERN)

    assert program.run(100) == PaprHcall()
    assert program.gpr(4) == PATTERN & (1 << width) - 1


@pytest.mark.parametrize("number", [2, 318, 886, 1006])
def test_numbers_of_no_use_to_a_kernel_do_nothing(number):
    program = kernel(f"mtspr {number},3; mfspr 4,{number}", r3=1, r4=7)

    assert program.run(100) == PaprHcall()
    assert program.gpr(4) == 7


@pytest.mark.parametrize("text", ["mtspr 268,3", "mtspr 287,3", "mtspr 1023,3", "mtspr 309,3"])
def test_what_cannot_be_written_is_left_alone(text):
    program = kernel(text, r3=PATTERN)
    before = bytes(program.state.buffer)

    assert program.run(1) is not None
    program.state.write(CIA, CODE)
    program.state.write(NOW, 0)
    assert bytes(program.state.buffer) == before


def test_the_time_base_counts_512_in_1000_instructions():
    program = kernel("mftb 3; mfspr 4,269")
    program.state.write(NOW, 1_000_000)
    program.state.write(TB_OFFSET, 7 << 32)

    program.run(100)

    assert program.gpr(3) == 512_000 + (7 << 32)
    assert program.gpr(4) == 7


def test_purr_has_an_offset_of_its_own():
    program = kernel("mfspr 3,309")
    program.state.write(NOW, 1000)
    program.state.write(PURR_OFFSET, -500 % 2**64)

    program.run(100)

    assert program.gpr(3) == 12


@pytest.mark.parametrize(
    ("lpcr", "written", "read"),
    [
        (0, 5, 5),
        (0, 0x1_8000_0000, 0x8000_0000),
        (0, 0xFFFF_FFFF, 0xFFFF_FFFF),
        (LPCR_LD, 0x1_8000_0000, 0x1_8000_0000),
        (LPCR_LD, 0xFFFF_FFFF, 0xFFFF_FFFF),
        (LPCR_LD, 0x0080_0000_0000_0000, 0xFF80_0000_0000_0000),
    ],
)
def test_the_decrementer_has_32_bits_or_56(lpcr, written, read):
    program = kernel("mtdec 3; mfdec 4", r3=written)
    program.state.write(LPCR, lpcr)

    program.run(100)

    assert program.gpr(4) == read


def test_the_decrementer_counts_down_with_the_time_base():
    program = kernel("mtdec 3; mfdec 4; mfdec 5", r3=1000)
    program.run(2)
    program.state.write(NOW, 125_000)

    program.run(1)

    assert program.state.read(DEC_EXPIRY) == 1000
    assert program.gpr(5) == 1000 - 64_000 & 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("text", "facility", "cell"),
    [("mfspr 4,815", 8, TAR), ("mtspr 815,3", 8, TAR), ("mfspr 4,3", 2, DSCR),
     ("mfspr 4,806", 7, BESCR), ("bctar 20,0", 8, TAR), ("rfebb 1", 7, BESCR),
     ("scv 0", 12, TAR)],
)  # fmt: skip
def test_problem_state_needs_the_facility(text, facility, cell):
    program = user(text, r3=PATTERN, r4=7)

    assert program.run(100) == Breakpoint(0xF60)
    assert program.state.read(SRR0) == CODE
    assert program.state.read(FSCR) >> 56 == facility
    assert (program.gpr(4), program.state.read(cell)) == (7, 0)


@pytest.mark.parametrize(("number", "facility", "cell"), [(815, 8, TAR), (3, 2, DSCR)])
def test_problem_state_reads_what_fscr_allows(number, facility, cell):
    program = user(f"mfspr 4,{number}")
    program.state.write(FSCR, 1 << facility)
    program.state.write(cell, PATTERN)

    program.run(1)

    assert program.gpr(4) == PATTERN


def test_a_branch_to_tar_links():
    program = kernel("bctarl 20,0")
    program.state.write(TAR, 0x2003)

    program.run(1)

    assert (program.cia, program.state.read(LR)) == (0x2000, CODE + 4)


@pytest.mark.parametrize(
    ("pmcc", "text", "stop"),
    [
        (0, "mfspr 4,771", None),
        (0, "mtspr 771,3", 0x700),
        (1, "mfspr 4,771", 0xF60),
        (1, "mtspr 771,3", 0xF60),
        (2, "mtspr 771,3", None),
        (2, "mtspr 775,3", None),
        (3, "mtspr 771,3", None),
        (3, "mtspr 775,3", 0xF60),
        (3, "mfspr 4,776", 0xF60),
    ],
)
def test_mmcr0_says_what_programs_may_do_with_the_counters(pmcc, text, stop):
    program = user(text)
    program.state.write(MMCR0, pmcc << 18)

    reason = program.run(1)

    assert (reason.cia if isinstance(reason, Breakpoint) else None) == stop


def test_programs_change_three_bits_of_mmcr0():
    program = user("mtspr 779,3; mfspr 4,779", r3=2**64 - 1)
    program.state.write(MMCR0, 2 << 18 | 1)

    program.run(2)

    assert program.gpr(4) == 0x8400_0080
    assert program.state.read(MMCR0) == 0x8400_0080 | 2 << 18 | 1


def test_bescr_is_set_and_reset_by_bits():
    program = kernel("mtspr 800,3; mtspr 801,4; mtspr 802,5; mfspr 6,803", r3=3, r4=1 << 31, r5=1)

    program.run(100)

    assert program.state.read(BESCR) == 1 << 63 | 2
    assert program.gpr(6) == 1 << 31


def test_programs_change_the_amr_where_uamor_allows():
    program = user("mtspr 13,3; mfspr 4,13", r3=2**64 - 1)
    program.state.write(AMR, 0x5)
    program.state.write(UAMOR, 0xF0)

    program.run(2)

    assert program.gpr(4) == 0xF5


@pytest.mark.parametrize(
    ("make", "pspb", "asked", "granted"),
    [(kernel, 0, 6, 6), (kernel, 0, 7, 4), (kernel, 0, 0, 4), (user, 0, 3, 3), (user, 0, 5, 4),
     (user, 1, 5, 5), (user, 1, 6, 4)],
)  # fmt: skip
def test_the_priority_changes_to_what_the_state_may_ask_for(make, pspb, asked, granted):
    program = make("mtspr 898,3; mfspr 4,896", r3=asked << 18 | 0x3FFFF)
    program.state.write(PPR, 4 << 50)
    program.state.write(PSPB, pspb)

    program.run(2)

    assert program.gpr(4) == granted << 50


def test_the_run_latch_shows_its_thread_to_the_kernel_only():
    program = kernel("mtspr 152,3; mfspr 4,136", r3=PATTERN | 1)
    program.run(100)
    program.state.write(MSR, MSR_SF | MSR_PR)
    program.state.write(CIA, CODE + 4)

    seen = program.gpr(4)
    program.run(1)

    assert (seen, program.gpr(4)) == (0x8001, 1)


# The MSR.

EVERYTHING = 2**64 - 1
GUEST = 0x8000_0000_0280_FF37


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("mtmsrd 3", MSR_SF | MSR_ME, GUEST & ~MSR_LE),
        ("mtmsrd 3", MSR_SF, GUEST & ~MSR_LE & ~MSR_ME),
        ("mtmsr 3", MSR_SF | MSR_ME, GUEST & ~MSR_LE),
        ("mtmsr 3", MSR_ME, GUEST & ~MSR_LE & ~MSR_SF),
        ("mtmsrd 3,1", MSR_SF | MSR_ME, MSR_SF | MSR_ME | 0x8002),
        ("mtmsr 3,1", MSR_SF | MSR_ME, MSR_SF | MSR_ME | 0x8002),
    ],
)
def test_a_guest_changes_all_of_its_msr_but_me_le_and_hv(text, before, after):
    program = Program(text, r3=EVERYTHING)
    program.state.write(MSR, before)

    program.run(1)

    assert program.state.read(MSR) == after


@pytest.mark.parametrize(("text", "cells"), [("rfid", (SRR0, SRR1)), ("rfscv", (LR, CTR))])
def test_a_return_changes_the_byte_order_but_not_me(text, cells):
    program = Program(text)
    program.state.write(cells[0], 0x2003)
    program.state.write(cells[1], EVERYTHING & ~MSR_ME & ~MSR_PR)

    program.run(1)

    assert program.state.read(MSR) == GUEST & ~MSR_PR
    assert program.cia == 0x2000


def test_problem_state_always_has_interrupts_and_translation_on():
    program = Program("rfid")
    program.state.write(SRR1, MSR_SF | MSR_PR | MSR_HV | MSR_TM)

    program.run(1)

    assert program.state.read(MSR) == MSR_SF | MSR_ME | USER


def test_a_return_to_32_bit_mode_drops_the_high_word():
    program = Program("rfid")
    program.state.write(SRR0, 0x1_0000_2000)

    program.run(1)

    assert program.cia == 0x2000


@pytest.mark.parametrize(
    ("lpcr", "translating", "vector", "after"),
    [
        (0, 0, 0x1_7040, MSR_SF | MSR_ME | 0x8002),
        (LPCR_ILE, 0, 0x1_7040, MSR_SF | MSR_ME | MSR_LE | 0x8002),
        (LPCR_AIL, 0, 0x1_7040, MSR_SF | MSR_ME | 0x8002),
        (0, 0x30, 0x1_7040, MSR_SF | MSR_ME | 0x8002),
        (LPCR_AIL, 0x30, 0xC000_0000_0000_3040, MSR_SF | MSR_ME | 0x8032),
    ],
)
def test_a_vectored_call_saves_in_lr_and_ctr(lpcr, translating, vector, after):
    before = MSR_SF | MSR_ME | MSR_PR | 0x8002 | translating
    program = Program("scv 2", msr=before, translated=RealMode())
    program.state.write(FSCR, 1 << 12)
    program.state.write(LPCR, lpcr)

    program.run(1)

    assert (program.cia, program.state.read(MSR)) == (vector, after)
    assert (program.state.read(LR), program.state.read(CTR)) == (CODE + 4, before)


PRIVILEGED = (
    "rfid", "rfscv", "mtmsr 3", "mtmsrd 3", "mfmsr 3", "stop", "slbia", "slbie 3", "slbieg 3,4",
    "slbmte 3,4", "slbmfev 3,4", "slbmfee 3,4", "slbfee. 3,4", "slbsync", "tlbie 3,4",
    "tlbiel 3", "tlbsync", "ptesync", "msgsndp 3", "msgclrp 3", "treclaim. 3", "trechkpt.",
    "mfspr 3,22", "mtspr 22,3",
)  # fmt: skip
HYPERVISOR = (
    "hrfid", "msgsnd 3", "msgclr 3", "msgsync", "lbzcix 3,4,5", "ldcix 3,4,5", "stwcix 3,4,5",
)  # fmt: skip


@pytest.mark.parametrize("text", PRIVILEGED + HYPERVISOR)
def test_programs_are_refused_what_is_privileged(text):
    program = user(text)

    assert program.run(1) == Breakpoint(0x700)
    assert program.state.read(SRR1) & 0x000F_0000 == 0x0004_0000


@pytest.mark.parametrize("text", HYPERVISOR)
def test_kernels_are_refused_what_is_the_hypervisors(text):
    program = kernel(text)
    program.processor.breakpoints.add(0x700)

    assert program.run(1) == Breakpoint(0x700)
    assert program.state.read(SRR1) & 0x000F_0000 == 0x0004_0000


@pytest.mark.parametrize("text", ["tbegin.", "tend.", "tabort. 3", "mfspr 3,128", "treclaim. 3"])
def test_transactions_are_a_facility_that_is_off(text):
    program = kernel(text)
    program.processor.breakpoints.add(0xF60)

    assert program.run(1) == Breakpoint(0xF60)
    assert program.state.read(FSCR) >> 56 == 5
