"""Instructions that are not like the others: strings, decimals, random numbers, cache blocks."""

import pytest

from papvmm.engine.exits import Breakpoint, NotBuilt, PaprHcall
from papvmm.isa.msr import MSR_SF
from papvmm.isa.spec.decimal import to_declet, to_digits
from papvmm.isa.state import CTR, DAR, DARN_SEED, LPCR, LPCR_GTSE, LPCR_HR, LR, MSR, SRR1
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")


def run(text, **registers):
    program = Program(f"{text}; sc 1", **registers)
    assert program.run(1000) == PaprHcall()
    return program


# Move assist and multiple.


def test_a_string_wraps_from_r31_to_r0_and_leaves_its_base_alone():
    program = Program("lswi 31,3,20; sc 1", r3=DATA, r4=4)
    program.memory.write(DATA, bytes(range(1, 21)))

    program.run(10)

    assert [program.gpr(n) for n in (31, 0, 1, 2)] == [
        0x01020304, 0x05060708, 0x090A0B0C, 0x0D0E0F10,
    ]  # fmt: skip
    assert (program.gpr(3), program.gpr(4)) == (DATA, 4)


def test_an_indexed_string_leaves_base_and_index_alone():
    program = Program("mtxer 5; lswx 2,3,4; sc 1", r3=DATA, r4=8, r5=17, r6=6)
    program.memory.write(DATA + 8, bytes(range(0x10, 0x30)))

    program.run(10)

    assert [program.gpr(n) for n in range(2, 7)] == [0x10111213, DATA, 8, 0x1C1D1E1F, 0x20000000]


def test_a_string_of_no_bytes_changes_nothing():
    assert run("mtxer 5; lswx 6,3,4", r3=DATA, r6=7).gpr(6) == 7


@pytest.mark.parametrize(
    "text",
    ["lmw 29,4(3)", "stmw 29,4(3)", "lswi 5,3,8", "stswi 5,3,8", "lswx 5,0,3", "stswx 5,0,3"],
)
def test_a_little_endian_guest_gets_an_alignment_interrupt(text):
    program = Program(text, little_endian=True, r3=DATA, r5=5, r29=1)
    program.processor.breakpoints.add(0x600)

    assert program.run(10) == Breakpoint(0x600)
    assert program.state.read(DAR) == DATA + (4 if "mw" in text else 0)
    assert (program.gpr(5), program.gpr(29)) == (5, 1)
    assert program.memory.read(DATA, 32) == bytes(32)


def test_a_load_of_several_words_that_faults_has_loaded_none():
    program = Program("lmw 29,0(3)", r3=0x10000 - 8, r29=1, r30=2)
    program.processor.breakpoints.add(0x200)

    assert program.run(10) == Breakpoint(0x200)
    assert [program.gpr(n) for n in (29, 30, 31)] == [1, 2, 0]


# Decimals: the examples of Power ISA v3.0B, Book I, appendix B.

DECLETS = {
    0x005: 0b000_000_0_101, 0x009: 0b000_000_1_001, 0x055: 0b000_101_0_101,
    0x079: 0b000_111_1_001, 0x080: 0b000_000_1_010, 0x099: 0b000_101_1_111,
    0x555: 0b101_101_0_101, 0x999: 0b001_111_1_111,
}  # fmt: skip


@pytest.mark.parametrize(("digits", "declet"), DECLETS.items())
def test_a_declet_holds_three_digits(digits, declet):
    assert (to_declet(digits), to_digits(declet)) == (declet, digits)


def test_every_number_has_a_declet_of_its_own():
    numbers = [int(f"{number:03}", 16) for number in range(1000)]

    assert [to_digits(to_declet(digits)) for digits in numbers] == numbers


@pytest.mark.parametrize("declet", [0x06E, 0x16E, 0x26E, 0x36E])
def test_redundant_declets_are_read_as_well(declet):
    assert to_digits(declet) == 0x888


def test_decimals_convert_word_by_word():
    declets = 0b000_101_1_111 << 10 | 0b000_000_0_101
    program = run("cdtbcd 4,3; cbcdtd 5,4", r3=declets << 32 | 0x0FF)

    assert program.gpr(4) == 0x0009_9005_0000_0999
    assert program.gpr(5) == declets << 32 | 0x0FF


def test_sixes_are_generated_where_a_decimal_sum_gives_no_carry():
    program = run("addg6s 5,3,4", r3=0x0F08, r4=0x0108)

    assert program.gpr(5) == 0x6666_6666_6666_6060


# Random numbers: SplitMix64, whose reference values for this seed are published.


def test_random_numbers_are_those_of_the_seed():
    program = Program("darn 3,1; darn 4,2; darn 5,0; darn 6,3; sc 1")
    program.state.write(DARN_SEED, 1234567)

    program.run(10)

    assert program.gpr(3) == 6457827717110365317
    assert program.gpr(4) == 3203168211198807973
    assert program.gpr(5) == 9817491932198370423 & 0xFFFF_FFFF
    assert program.gpr(6) == 2**64 - 1


# Cache blocks.


@pytest.mark.parametrize("little_endian", [False, True])
def test_a_cache_block_is_zeroed_around_its_address(little_endian):
    program = Program("dcbz 3,4; sc 1", little_endian=little_endian, r3=DATA + 128, r4=77)
    program.memory.write(DATA, b"\xff" * 512)

    program.run(10)

    assert program.memory.read(DATA, 512) == b"\xff" * 128 + bytes(128) + b"\xff" * 256


@pytest.mark.parametrize(
    "text",
    ["dcbt 0,3", "dcbtst 0,3", "icbt 0,0,3", "isync", "sync", "lwsync", "ptesync", "eieio",
     "slbia", "slbie 3", "slbsync", "tlbiel 3,0,2,1,1", "cpabort", "dss 0", "dst 3,4,0",
     "reserved_nop_530", "xnop", "yield", "dcbst 0,4", "dcbf 0,4", "icbi 0,4"],
)  # fmt: skip
def test_hints_and_ordering_change_nothing(text):
    program = run(text, r3=1 << 40, r4=DATA)
    other = run("nop", r3=1 << 40, r4=DATA)

    assert bytes(program.state.buffer) == bytes(other.state.buffer)
    assert program.memory.read(DATA, 4096) == bytes(4096)


@pytest.mark.parametrize("text", ["dcbst 0,3", "dcbf 0,3", "icbi 0,3"])
def test_a_block_that_is_not_there_is_missed(text):
    program = Program(text, r3=1 << 40)
    program.processor.breakpoints.add(0x200)

    assert program.run(10) == Breakpoint(0x200)


@pytest.mark.parametrize("text", ["stop", "copy 3,4"])
def test_what_is_not_built_stops_the_run_at_it(text):
    program = Program(f"nop; {text}")

    reason = program.run(10)

    assert isinstance(reason, NotBuilt)
    assert (reason.cia, program.now) == (CODE + 4, 1)


INVALIDATIONS = {
    "tlbie 3,4,2,1,1": (LPCR_GTSE, LPCR_GTSE | LPCR_HR),
    "tlbie 3,4,2,0,1": (LPCR_GTSE,),
    "tlbsync": (LPCR_GTSE, LPCR_GTSE | LPCR_HR),
    "tlbiel 3,4,0,1,1": (0, LPCR_GTSE, LPCR_HR, LPCR_GTSE | LPCR_HR),
    "tlbiel 3,4,0,0,1": (0, LPCR_GTSE),
}


@pytest.mark.parametrize("lpcr", [0, LPCR_GTSE, LPCR_HR, LPCR_GTSE | LPCR_HR])
@pytest.mark.parametrize("text", INVALIDATIONS)
def test_a_guest_invalidates_translations_if_it_may_and_if_they_are_its_own(text, lpcr):
    program = Program(f"{text}; sc 1")
    program.state.write(LPCR, lpcr)
    program.processor.breakpoints.add(0x700)

    if lpcr in INVALIDATIONS[text]:
        assert program.run(10) == PaprHcall()
    else:
        assert program.run(10) == Breakpoint(0x700)
        assert program.state.read(SRR1) & 0x000F_0000 == 0x0004_0000


# 32-bit mode (Power ISA v3.0B, Book I, 1.10.3, 2.4 and 3.3).


def narrow(text, **registers):
    program = Program(f"{text}; sc 1", **registers)
    program.state.write(MSR, program.state.read(MSR) & ~MSR_SF)
    return program


def test_addresses_have_32_bits_in_32_bit_mode():
    program = narrow("lwz 5,4(3); stwu 5,8(3); lwzx 6,3,4", r3=0xFFFF_FFFF_0000_4000, r4=-8 % 2**64)
    program.memory.store_be(DATA + 4, 4, 7)

    assert program.run(10) == PaprHcall()
    assert [program.gpr(n) for n in (5, 3, 6)] == [7, DATA + 8, 0]
    assert program.memory.load_be(DATA + 8, 4) == 7


def test_cr0_and_carries_look_at_the_low_word_in_32_bit_mode():
    program = narrow("addic. 4,3,1; mfxer 5; mfcr 6", r3=0xFFFF_FFFF)

    program.run(10)

    assert program.gpr(4) == 0x1_0000_0000
    assert program.gpr(5) >> 18 << 18 == 0x2004_0000
    assert program.gpr(6) >> 28 == 0b0010


def test_overflow_looks_at_the_low_word_in_32_bit_mode():
    program = narrow("addo. 4,3,3; mfxer 5; mfcr 6", r3=0x4000_0000)

    program.run(10)

    assert program.gpr(5) >> 18 << 18 == 0xC008_0000
    assert program.gpr(6) >> 28 == 0b1001


def test_branches_look_at_the_low_word_in_32_bit_mode():
    program = narrow("bdz .+8; nop; bl .+4")
    program.state.write(CTR, 0xFFFF_FFFF_0000_0001)

    program.run(2)

    assert program.state.read(CTR) == 0xFFFF_FFFF_0000_0000
    assert program.state.read(LR) == CODE + 12


def test_jumps_drop_the_high_word_in_32_bit_mode():
    program = narrow("bctr")
    program.state.write(CTR, 0xFFFF_FFFF_0000_2000)

    program.run(1)

    assert program.cia == 0x2000
