"""Vector registers: loads, stores, moves, permutes; and the facilities that govern them."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.engine.exits import Breakpoint, PaprHcall
from papvmm.isa.encode import assemble, encode
from papvmm.isa.exit import UNAVAILABLE
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.ir import ExitIf
from papvmm.isa.msr import MSR_FP, MSR_VEC, MSR_VSX
from papvmm.isa.operands import Kind
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.state import SRR0, VSCR
from papvmm.isa.undescribed import facility_of
from papvmm.isa.versions import Isa
from tests.programs import CODE, DATA, NATIVE, REGIONS, Program

pytestmark = pytest.mark.usefixtures("every_engine")

ON = MSR_FP | MSR_VEC | MSR_VSX
A = 0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF
B = 0x0F1E_2D3C_4B5A_6978_8796_A5B4_C3D2_E1F0


def run(text, **registers):
    program = Program(f"{text}; sc 1", **({"msr": ON} | registers))
    assert program.run(1000) == PaprHcall()
    return program


def doubleword(program, number):
    return program.state.vsr(number) >> 64


# Facilities.


def units_of(instruction):
    """Return the unit that the traced instruction asks for first: by register, low and high."""
    template = instruction.template(next(instruction.variants()), problem_state=True)
    reasons = [op.reason for op in template.ops if isinstance(op, ExitIf)]
    return [reason for reason in reasons if reason in UNAVAILABLE.values()]


@pytest.mark.parametrize(
    "instruction", [row for row in INSTRUCTIONS if row.unit], ids=lambda row: row.mnemonic
)
def test_what_an_instruction_asks_for_is_what_the_opcode_tables_say(instruction):
    statics = next(instruction.variants())
    words = [
        encode(
            instruction,
            statics,
            *(
                number if o.kind is Kind.VSR else o.values[0] if o.kind is Kind.STATIC else 0
                for o in instruction.operands
            ),
        )
        for number in (0, 32)
    ]

    expected = [UNAVAILABLE[facility_of(word, Isa.V3_0)] for word in words]
    assert units_of(instruction) in ([expected[0]], expected)


@pytest.mark.parametrize(
    ("text", "msr", "vector"),
    [
        ("lfd 1,0(3)", MSR_VEC | MSR_VSX, 0x800),
        ("lvx 1,0,3", MSR_FP | MSR_VSX, 0xF20),
        ("lxvd2x 1,0,3", MSR_FP | MSR_VEC, 0xF40),
        ("lxvx 31,0,3", MSR_FP | MSR_VEC, 0xF40),
        ("lxvx 32,0,3", MSR_FP | MSR_VSX, 0xF20),
        ("mtvsrd 1,3", MSR_VEC | MSR_VSX, 0x800),
        ("mtvsrd 33,3", MSR_FP | MSR_VSX, 0xF20),
        ("stxv 33,0(3)", MSR_FP | MSR_VSX, 0xF20),
        ("lxvl 33,3,4", MSR_FP | MSR_VSX, 0xF20),
    ],
)
@pytest.mark.parametrize("hot", [0, 1000, NATIVE, REGIONS])
def test_a_unit_that_is_off_is_an_interrupt_before_anything_happens(text, msr, vector, hot):
    program = Program(f"nop; {text}", msr=msr, hot=hot, r3=1 << 40, vs1=A, vs33=B)
    program.processor.breakpoints.update(Interrupt)

    assert program.run(9) == Breakpoint(vector)
    assert (program.now, program.state.vsr(1), program.state.vsr(33)) == (1, A, B)


@pytest.mark.parametrize("text", ["lxvx 31,0,3", "mtvsrdd 31,3,3", "lxvwsx 31,0,3"])
def test_a_low_register_needs_vsx_only(text):
    run(text, msr=MSR_VSX, r3=DATA)


@pytest.mark.parametrize("text", ["lxvx 32,0,3", "mtvsrd 32,3", "mtvsrdd 32,3,3"])
def test_a_high_register_needs_vmx_only(text):
    run(text, msr=MSR_VEC, r3=DATA)


# Registers of three kinds, one file.


def test_fprs_vrs_and_vsrs_are_one_register_file():
    program = run("fmr 31,1; vor 0,31,31; xxlor 2,32,31", vs1=A, vs63=B)

    assert [doubleword(program, n) for n in (31, 32)] == [A >> 64, B >> 64]
    assert program.state.vsr(2) == B | A >> 64 << 64


def test_a_fpr_that_is_written_has_nothing_below_it():
    assert run("lfd 16,0(3)", r3=DATA, vs16=A).state.vsr(16) == 0


@pytest.mark.parametrize("hot", [1, REGIONS])
def test_vsr_16_is_no_zero_register(hot):
    assert run("mtctr 4; xxlor 3,16,16; bdnz -4", hot=hot, r4=50, vs16=A).state.vsr(3) == A


# Single format in storage.


SINGLES = st.integers(0, 0xFFFF_FFFF)


def is_nan(word):
    return word & 0x7FFF_FFFF > 0x7F80_0000


@settings(deadline=None)
@given(SINGLES.filter(lambda word: not is_nan(word)))
def test_lfs_makes_a_double_of_the_same_value(word):
    program = Program("lfs 1,0(3); sc 1", msr=ON, r3=DATA)
    program.memory.store_be(DATA, 4, word)

    program.run(2)

    value = struct.unpack(">f", word.to_bytes(4))[0]
    assert doubleword(program, 1) == int.from_bytes(struct.pack(">d", value))


@settings(deadline=None)
@given(SINGLES)
def test_stfs_writes_what_lfs_read(word):
    program = Program("lfs 1,0(3); stfs 1,4(3); sc 1", msr=ON, r3=DATA)
    program.memory.store_be(DATA, 4, word)

    program.run(3)

    assert program.memory.load_be(DATA + 4, 4) == word


def test_a_signalling_nan_stays_one_on_its_way():
    program = Program("lfs 1,0(3); sc 1", msr=ON, r3=DATA)
    program.memory.store_be(DATA, 4, 0x7F80_0001)

    program.run(2)

    assert doubleword(program, 1) == 0x7FF0_0000_2000_0000


@pytest.mark.parametrize("double", [0x3690 << 48, 0x8010 << 48, 1])
def test_a_number_too_small_for_single_format_is_stored_as_zero(double):
    program = run("stfs 1,0(3)", r3=DATA, vs1=double << 64)

    assert program.memory.load_be(DATA, 4) == double >> 63 << 31


# Vectors in storage.


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize(
    ("load", "store", "size"),
    [
        ("lxvd2x", "stxvd2x", 8), ("lxvw4x", "stxvw4x", 4), ("lxvh8x", "stxvh8x", 2),
        ("lxvb16x", "stxvb16x", 1), ("lxvx", "stxvx", 16),
    ],
)  # fmt: skip
def test_elements_are_in_order_of_address_and_each_in_the_guests_byte_order(
    load, store, size, little_endian
):
    program = Program(
        f"{load} 1,3,4; {store} 1,0,5; sc 1",
        msr=ON, little_endian=little_endian, r3=DATA, r4=3, r5=DATA + 64,
    )  # fmt: skip
    memory = bytes(range(1, 17))
    program.memory.write(DATA + 3, memory)

    program.run(5)

    elements = [memory[first : first + size] for first in range(0, 16, size)]
    order = [element[::-1] if little_endian else element for element in elements]
    assert program.state.vsr(1).to_bytes(16) == b"".join(order)
    assert program.memory.read(DATA + 64, 16) == memory


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize(("letter", "size"), [("b", 1), ("h", 2), ("w", 4)])
@pytest.mark.parametrize("address", range(0, 16, 4))
def test_an_element_store_puts_back_what_a_vector_load_had_read(
    letter, size, address, little_endian
):
    address += 4 - size
    program = Program(
        f"lvx 1,0,3; stve{letter}x 1,4,5; sc 1",
        msr=ON, little_endian=little_endian, r3=DATA, r4=DATA + 16, r5=address,
    )  # fmt: skip
    memory = bytes(range(1, 17))
    program.memory.write(DATA, memory)

    program.run(5)

    expected = bytearray(16)
    expected[address : address + size] = memory[address : address + size]
    assert program.memory.read(DATA + 16, 16) == expected


@pytest.mark.parametrize("little_endian", [False, True])
@pytest.mark.parametrize("length", [0, 1, 7, 15, 16, 200])
def test_a_vector_with_length_moves_so_many_bytes(length, little_endian):
    program = Program(
        "lxvl 1,3,4; stxvl 1,5,4; lxvll 2,3,4; stxvll 2,6,4; sc 1", msr=ON,
        little_endian=little_endian, r3=DATA, r4=length << 56, r5=DATA + 64, r6=DATA + 128,
    )  # fmt: skip
    program.memory.write(DATA, bytes(range(1, 33)))

    program.run(9)

    moved = bytes(range(1, min(length, 16) + 1))
    whole = moved.ljust(16, b"\0")
    assert program.state.vsr(1).to_bytes(16) == (whole[::-1] if little_endian else whole)
    assert program.state.vsr(2).to_bytes(16) == whole
    assert program.memory.read(DATA + 64, 17) == moved.ljust(17, b"\0")
    assert program.memory.read(DATA + 128, 17) == moved.ljust(17, b"\0")


def test_a_vector_load_that_faults_half_way_has_changed_nothing():
    program = Program("lxvd2x 1,0,3", msr=ON, r3=len(Program("nop").memory.ram) - 8, vs1=A)
    program.processor.breakpoints.update(Interrupt)

    assert isinstance(program.run(5), Breakpoint)
    assert (program.now, program.state.vsr(1)) == (0, A)


# Inside registers.


@pytest.mark.parametrize("shift", [0, 1, 15])
def test_permute_controls_shift_a_pair_of_vectors(shift):
    program = run("lvsl 3,0,3; lvsr 4,0,3; vperm 5,1,2,3; vperm 6,1,2,4", r3=shift, vs33=A, vs34=B)

    both = A.to_bytes(16) + B.to_bytes(16)
    assert program.state.vsr(37).to_bytes(16) == both[shift : shift + 16]
    assert program.state.vsr(38).to_bytes(16) == both[16 - shift : 32 - shift]


@pytest.mark.parametrize(("name", "lane"), [("b", 1), ("h", 2), ("w", 4), ("d", 8)])
def test_shifts_take_their_amounts_modulo_the_element(name, lane):
    program = run(f"vsl{name} 3,1,2; vsr{name} 4,1,2", vs33=A, vs34=B)

    a, b = (
        [int.from_bytes(number.to_bytes(16)[n : n + lane]) for n in range(0, 16, lane)]
        for number in (A, B)
    )
    left = [x << y % (8 * lane) & (1 << 8 * lane) - 1 for x, y in zip(a, b, strict=True)]
    right = [x >> y % (8 * lane) for x, y in zip(a, b, strict=True)]
    assert program.state.vsr(35).to_bytes(16) == b"".join(x.to_bytes(lane) for x in left)
    assert program.state.vsr(36).to_bytes(16) == b"".join(x.to_bytes(lane) for x in right)


@pytest.mark.parametrize(
    ("a", "b", "cr6"), [(A, A, 0b1000), (A, ~A & (1 << 128) - 1, 0b0010), (A, A ^ 1, 0)]
)
@pytest.mark.parametrize("name", ["b", "h", "w", "d"])
def test_cr6_tells_whether_all_or_no_elements_are_equal(name, a, b, cr6):
    program = run(f"vcmpequ{name}. 3,1,2", vs33=a, vs34=b)

    assert program.state.cr >> 4 & 0xF == cr6


def test_xxpermdi_takes_either_doubleword_of_each():
    program = run("; ".join(f"xxpermdi {n + 3},1,2,{n}" for n in range(4)), vs1=A, vs2=B)

    ah, al, bh, bl = A >> 64, A & (1 << 64) - 1, B >> 64, B & (1 << 64) - 1
    assert [program.state.vsr(n + 3) for n in range(4)] == [
        x << 64 | y for x in (ah, al) for y in (bh, bl)
    ]


def test_of_vscr_two_bits_are_kept():
    program = run("mtvscr 1; mfvscr 2", vs33=(1 << 128) - 1)

    assert program.state.read(VSCR) == 0x1_0001
    assert program.state.vsr(34) == 0x1_0001


def test_the_count_of_clear_lowest_bits_stops_at_the_first_that_is_set():
    program = run("vclzlsbb 3,1; vctzlsbb 4,1; vclzlsbb 5,2; vctzlsbb 6,2", vs33=1 << 96 | 1 << 16)

    assert [program.gpr(n) for n in range(3, 7)] == [3, 2, 16, 16]


@pytest.mark.parametrize(
    ("extended", "plain"),
    [
        ("xxswapd 1,2", "xxpermdi 1,2,2,2"), ("xxspltd 40,2,1", "xxpermdi 40,2,2,3"),
        ("xxmrghd 1,2,3", "xxpermdi 1,2,3,0"), ("vmr 1,2", "vor 1,2,2"),
        ("mtvrd 1,3", "mtvsrd 33,3"), ("xxlor vs33,vs1,vs63", "xxlor 33,1,63"),
    ],
)  # fmt: skip
def test_extended_mnemonics_of_vectors(extended, plain):
    assert assemble(extended) == assemble(plain)


@pytest.mark.parametrize("hot", [1, REGIONS])
def test_a_unit_that_goes_off_stops_hot_code_too(hot):
    program = Program(
        "mtctr 4; xxlor 3,16,16; bdnz -4; mfmsr 5; rldicl 5,5,40,1; rotldi 5,5,24; mtmsrd 5;"
        "li 4,50; b -32",
        msr=ON, hot=hot, r4=50, vs16=A,
    )  # fmt: skip
    program.processor.breakpoints.update(Interrupt)

    assert program.run(10_000) == Breakpoint(Interrupt.VSX_UNAVAILABLE)
    assert program.state.read(SRR0) == CODE + 4


# Integer arithmetic.


@pytest.mark.parametrize(
    ("instruction", "a", "b", "expected"),
    [
        ("vaddubm 3,1,2", "ff01" * 8, "0203" * 8, "0104" * 8),
        ("vsubuhm 3,1,2", "0001" * 8, "0002" * 8, "ffff" * 8),
        ("vadduqm 3,1,2", "00" * 8 + "ff" * 8, "00" * 15 + "01", "00" * 7 + "01" + "00" * 8),
        ("vminub 3,1,2", "807f" * 8, "0102" * 8, "0102" * 8),
        ("vminsb 3,1,2", "807f" * 8, "0102" * 8, "8002" * 8),
        ("vmaxsw 3,1,2", "80000000" * 4, "00000001" * 4, "00000001" * 4),
        ("vcmpgtub 3,1,2", "8001" * 8, "7f01" * 8, "ff00" * 8),
        ("vcmpgtsb 3,1,2", "8001" * 8, "7f00" * 8, "00ff" * 8),
        ("vcmpneb 3,1,2", "8001" * 8, "7f01" * 8, "ff00" * 8),
        ("vsrah 3,1,2", "8000" * 8, "0014" * 8, "f800" * 8),
        ("vrlb 3,1,2", "81" * 16, "0a09" * 8, "0603" * 8),
        ("vsl 3,1,2", "00" * 15 + "81", "0b" * 16, "00" * 14 + "0408"),
        ("vslo 3,1,2", "00" * 15 + "81", "00" * 15 + "7f", "81" + "00" * 15),
        ("vsro 3,1,2", "81" + "00" * 15, "00" * 15 + "08", "0081" + "00" * 14),
        ("vpkudum 3,1,2", "0123456789abcdef" * 2, "aa" * 16, "89abcdef" * 2 + "aa" * 8),
        ("vpopcntd 3,1", "ff00ff0000000001" * 2, "00" * 16, ("00" * 7 + "11") * 2),
        ("vctzw 3,2", "00" * 16, "0000008000000000" * 2, "0000000700000020" * 2),
    ],
)
def test_elements_do_not_reach_each_other(instruction, a, b, expected):
    program = run(instruction, vs33=int(a, 16), vs34=int(b, 16))

    assert program.state.vsr(35).to_bytes(16).hex() == expected


def test_a_sum_that_does_not_fit_saturates_and_vscr_remembers():
    program = run(
        "vaddubs 3,1,2; mfvscr 4; vsubshs 5,1,2; mfvscr 6; vsumsws 7,1,2; mfvscr 8",
        vs33=int("0102" * 8, 16), vs34=int("0304" * 7 + "8000", 16),
    )  # fmt: skip

    assert program.state.vsr(35).to_bytes(16).hex() == "0406" * 7 + "8102"
    assert program.state.vsr(37).to_bytes(16).hex() == "fdfe" * 7 + "7fff"
    assert program.state.vsr(39).to_bytes(16).hex() == "00" * 12 + "070c8408"
    assert [program.state.vsr(number) for number in (36, 38, 40)] == [0, 1, 1]


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [("vextublx 3,4,1", 0x11), ("vextubrx 3,4,1", 0xEE), ("vextuhlx 3,4,1", 0x1122),
     ("vextuwrx 3,4,1", 0xBBCC_DDEE)],
)  # fmt: skip
def test_extracts_count_from_either_side(instruction, expected):
    assert run(instruction, vs33=A, r4=0x31).gpr(3) == expected


@settings(max_examples=30, deadline=None)
@given(st.integers(0, (1 << 128) - 1), st.binary(min_size=16, max_size=16))
def test_vbpermq_takes_sixteen_bits_by_their_numbers(source, numbers):
    """glibc finds the ends of strings with it."""
    text = f"{source:0128b}" + 128 * "0"

    program = run("vbpermq 3,1,2", vs33=source, vs34=int.from_bytes(numbers))

    assert program.state.vsr(35) == int("".join(text[n] for n in numbers), 2) << 64
