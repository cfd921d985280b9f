"""Floating point on the host's doubles does what softfloat does, to the last bit of FPSCR."""

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.isa.msr import MSR_FP, MSR_VSX
from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.compare import (
    EQUAL,
    GREATER,
    LESS,
    compare,
    compare_to_mask,
    extreme,
    extreme_as_c,
    extreme_as_java,
)
from papvmm.isa.softfloat.convert import to_integer, to_integral
from papvmm.isa.softfloat.fpscr import (
    AWAY,
    DOWN,
    FI,
    FPRF,
    FR,
    FX,
    TOWARD_ZERO,
    UE,
    UP,
    XE,
    XX,
)
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, FP_CC, FP_KIND, FPSCR
from tests.programs import CODE, HOT, NATIVE, Program

EDGES = [
    0, 1, 2, 3, (1 << 52) - 1, 1 << 52, (1 << 52) + 1, 2 << 52, (2 << 52) + 1, 0x36A << 52,
    0x380F << 48, 0x381 << 52, 0x380F_FFFF_F000_0000, 0x380F_FFFF_E000_0000, 0x382 << 52,
    0x47EF_FFFF_E000_0000, 0x47EF_FFFF_F000_0000, 0x47F << 52, 0x3FF << 52, (0x3FF << 52) + 1,
    0x3FEF_FFFF_FFFF_FFFF, 0x3FF0_0000_1000_0000, 0x3FF0_0000_3000_0000, 0x3FF0_0000_1000_0001,
    0x400 << 52, 0x4008 << 48, 0x3FE << 52, 0x7FE << 52, 0x7FEF_FFFF_FFFF_FFFF, 0x7FF << 52,
    (0x7FF << 52) + 1, 0x7FF8 << 48, 0x7FF8_0000_2002_0001, 0x040 << 52, 0x3F50 << 48,
    0x41E << 52, 0x43E << 52, 0x41DF_FFFF_FFC0_0000,
]  # fmt: skip
MINUS = 1 << 63


@st.composite
def doubles(draw):
    sign = draw(st.integers(0, 1)) << 63
    kind = draw(st.integers(0, 5))
    if kind == 0:
        return sign | draw(st.sampled_from(EDGES))
    if kind == 1:
        return sign | draw(st.integers(1000, 1046)) << 52 | draw(st.integers(0, 15)) << 48
    if kind == 2:
        return sign | draw(st.integers(880, 1160)) << 52 | draw(st.integers(0, (1 << 23) - 1)) << 29
    if kind == 3:
        exponent = draw(st.sampled_from([0, 1, 2, 50, 63, 64, 65, 100, 870, 897, 2000, 2045, 2046]))
        return sign | exponent << 52 | draw(st.integers(0, (1 << 52) - 1))
    return sign | draw(st.integers(1015, 1030)) << 52 | draw(st.integers(0, (1 << 52) - 1))


@st.composite
def operands(draw):
    """Three doubles, the last often such that sums cancel."""
    a, b, c = draw(doubles()), draw(doubles()), draw(doubles())
    if draw(st.booleans()):
        product = operate(OPERATIONS["fmul"], (a, c), 0).result
        near = draw(st.sampled_from([0, 0, 1, 2, -1, 5 << 52, -3 << 52]))
        b = (draw(st.sampled_from([a, product])) ^ MINUS) + near & 2 * MINUS - 1
    return a, b, c


@cache
def program(text, hot):
    return Program(f"{text}; {text}", msr=MSR_FP | MSR_VSX, hot=hot)


def execute(text, hot, values, fpscr):
    """Execute an instruction on f1, f2, f3; return f4, FPSCR and whether it was fast."""
    guest = program(text, hot)
    for number, value in enumerate(values, 1):
        guest.state.set_vsr(number, value << 64)
    guest.state.set_vsr(4, 0)
    guest.state.write(FPSCR, fpscr)
    guest.state.write(FP_KIND, 0)
    guest.state.write(CIA, CODE)
    guest.run(1)
    assert guest.cia == CODE + 4
    fast = bool(guest.state.read(FP_KIND))
    return guest.state.vsr(4) >> 64, settle(guest.state), fast


TEXTS = {
    name + suffix: f"{name}{suffix} 4,{order}"
    for suffix in ("", "s")
    for name, order in (
        ("fadd", "1,2"), ("fsub", "1,2"), ("fmul", "1,3"), ("fdiv", "1,2"), ("fsqrt", "2"),
        ("fmadd", "1,3,2"), ("fmsub", "1,3,2"), ("fnmadd", "1,3,2"), ("fnmsub", "1,3,2"),
        ("fcfid", "2"), ("fcfidu", "2"),
    )
} | {"frsp": "frsp 4,2"}  # fmt: skip


def used(name, values):
    a, b, c = values
    count = TEXTS[name].count(",")
    if name.startswith("fmul"):
        return a, c
    return {1: (b,), 2: (a, b), 3: (a, b, c)}[count]


@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("name", TEXTS)
@settings(deadline=None, max_examples=50)
@given(values=operands(), fpscr=st.sampled_from([0, XX, XX | FX, XX | FR | FI | FPRF, 1, XX | UE]))
def test_an_operation_is_softfloats(name, hot, values, fpscr):
    result, after, _ = execute(TEXTS[name], hot, values, fpscr)

    assert (result, after) == operate(OPERATIONS[name], used(name, values), fpscr)


@pytest.mark.slow
@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("name", TEXTS)
def test_operations_on_all_pairs_of_edges_are_softfloats(name, hot):
    edges = EDGES + [edge | MINUS for edge in EDGES]
    wrong = [
        (hex(a), hex(b), fpscr)
        for a in edges
        for b in edges
        for fpscr in (0, XX)
        for values in [(a, b, b), (a, a ^ MINUS, b)]
        if execute(TEXTS[name], hot, values, fpscr)[:2]
        != operate(OPERATIONS[name], used(name, values), fpscr)
    ]

    assert wrong == []


@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("to_zero", ["", "z"])
@pytest.mark.parametrize(
    ("name", "width"), [("fctid", 64), ("fctiw", 32), ("fctidu", 64), ("fctiwu", 32)]
)
@settings(deadline=None)
@given(values=operands(), fpscr=st.sampled_from([0, XX, 1, XX | 2, XX | XE]))
def test_a_conversion_to_integer_is_softfloats(name, width, to_zero, hot, values, fpscr):
    result, after, _ = execute(f"{name}{to_zero} 4,2", hot, values, fpscr)

    is_signed = not name.endswith("u")
    expected = to_integer(values[1], fpscr, width, is_signed=is_signed, to_zero=bool(to_zero))
    assert (result, after & ~FPRF) == (expected.result, expected.fpscr & ~FPRF)


INTEGRAL = {
    "frin 4,2": AWAY, "friz 4,2": TOWARD_ZERO, "frip 4,2": UP, "frim 4,2": DOWN,
    "xsrdpi 4,2": AWAY, "xsrdpim 4,2": DOWN,
}  # fmt: skip


@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("text", INTEGRAL)
@settings(deadline=None)
@given(values=operands(), fpscr=st.sampled_from([0, XX | FR | FI | FPRF, 1, XE]))
def test_rounding_to_an_integral_value_is_softfloats(text, hot, values, fpscr):
    result, after, _ = execute(text, hot, values, fpscr)

    assert (result, after) == to_integral(values[1], fpscr, INTEGRAL[text])


CHOICES = {
    "xsmaxdp 4,1,2": (extreme, GREATER), "xsmindp 4,1,2": (extreme, LESS),
    "xsmaxcdp 4,1,2": (extreme_as_c, GREATER), "xsmincdp 4,1,2": (extreme_as_c, LESS),
    "xsmaxjdp 4,1,2": (extreme_as_java, GREATER), "xsminjdp 4,1,2": (extreme_as_java, LESS),
    "xscmpeqdp 4,1,2": (compare_to_mask, EQUAL), "xscmpgtdp 4,1,2": (compare_to_mask, GREATER),
    "xscmpgedp 4,1,2": (compare_to_mask, GREATER | EQUAL),
}  # fmt: skip


@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("text", CHOICES)
@settings(deadline=None)
@given(values=operands(), fpscr=st.sampled_from([0, XX | FR | FI | FPRF]))
def test_a_choice_is_softfloats(text, hot, values, fpscr):
    function, which = CHOICES[text]

    result, after, _ = execute(text, hot, values, fpscr)

    assert (result, after) == function(*values[:2], fpscr, which)


@pytest.mark.parametrize("hot", [HOT, NATIVE])
@pytest.mark.parametrize("name", ["fcmpu", "fcmpo"])
@settings(deadline=None)
@given(values=operands(), fpscr=st.sampled_from([0, FI | FR | FPRF]))
def test_a_comparison_is_softfloats(name, hot, values, fpscr):
    _, after, _ = execute(f"{name} 2,1,2", hot, values, fpscr)

    relation, expected = compare(*values[:2], fpscr, ordered=name == "fcmpo")
    assert after == expected
    assert program(f"{name} 2,1,2", hot).state.cr >> 20 & 0xF == relation


ONE, THREE, TENTH = 0x3FF << 52, 0x4008 << 48, 0x3FB9_9999_9999_999A
EXACT = [
    ("fadd", (ONE, THREE, 0)), ("fsub", (ONE, ONE, 0)), ("fmul", (THREE, 0, THREE)),
    ("fmul", (0, 0, THREE)), ("fdiv", (THREE, THREE, 0)), ("fdiv", (0, THREE, 0)),
    ("fmadd", (THREE, ONE, THREE)), ("fnmsub", (0, ONE, THREE)), ("fsqrt", (0, 0x401 << 52, 0)),
    ("fadds", (ONE, THREE, 0)), ("frsp", (0, ONE, 0)), ("fcfid", (0, 2 * MINUS - 5, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values"), EXACT)
def test_what_is_exact_is_fast_from_the_beginning(name, values):
    assert execute(TEXTS[name], HOT, values, 0)[2]


@pytest.mark.parametrize("name", ["fadd", "fmul", "fdiv", "fmadd", "fsubs", "fmuls", "fsqrt"])
def test_what_is_inexact_is_fast_when_xx_tells_already(name):
    values = (TENTH, 0x3FD5_5555_5555_5555, 0x4005_BF0A_8B14_5769)

    assert not execute(TEXTS[name], HOT, values, 0)[2]
    assert execute(TEXTS[name], HOT, values, XX)[2]


def test_a_comparison_after_an_operation_leaves_c_fi_and_fr():
    guest = Program(
        "fdiv 4,1,2; fcmpu 0,1,2; mffs 5", msr=MSR_FP, vs1=(ONE | MINUS) << 64, vs2=THREE << 64
    )
    guest.state.write(FPSCR, XX)

    guest.run(3)

    assert guest.state.vsr(5) >> 64 == XX | FI | 0x8 << 12


def test_a_sum_of_singles_half_way_between_two_is_fast():
    odd = (0x3FF << 52) + (1 << 29)

    assert execute("fadds 4,1,2", HOT, (odd, 0x3FE << 52 | 1 << 29, 0), XX)[2]


def test_the_least_integer_is_fast():
    """Compilers convert to unsigned integers by way of it."""
    assert execute("fctidz 4,2", HOT, (0, 0xC3E << 52, 0), 0)[2]


@pytest.mark.parametrize("text", ["fadd 4,1,2", "fsub 4,1,2"])
def test_infinity_and_a_number_are_fast(text):
    assert execute(text, HOT, (0x7FF << 52, 1, 0), XX)[2]


def test_a_quiet_nan_is_compared_fast():
    guest = Program("fcmpu 2,1,2", msr=MSR_FP, vs1=0x7FF8 << 112, vs2=ONE << 64)

    guest.run(1)

    assert guest.state.read(FP_CC) == 1
    assert guest.state.cr >> 20 & 0xF == 1
