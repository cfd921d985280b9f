"""Hosts without a fused multiply-add: its stand-in rounds once, or says that it can't."""

import ctypes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.engine.native.executable import Executable
from papvmm.isa.hostfloat import bits_of, double, multiply_add

pytest.importorskip("llvmlite")

from papvmm.engine.native import codegen
from papvmm.engine.native.lower import PRELUDE

NEAR_ONE = st.builds(
    lambda sign, exponent, fraction: sign << 63 | exponent << 52 | fraction,
    st.integers(0, 1),
    st.integers(1023 - 60, 1023 + 60) | st.integers(0, 2046),
    st.integers(0, (1 << 52) - 1) | st.sampled_from([0, 1, (1 << 52) - 1, 1 << 51, 1 << 26]),
)
DOUBLES = NEAR_ONE | st.sampled_from([0, 1 << 63, 1, 0x7FF << 52, 0x3FF << 52, (0x3FF << 52) + 1])
MINUS = 1 << 63


@pytest.fixture(scope="module")
def multiply_and_add():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(codegen, "HAS_FMA", False)
        code = codegen.compile_regions(
            f"{PRELUDE}define double @f(double %a, double %c, double %b) #0 {{\n"
            "%r = call double @llvm.fma.f64(double %a, double %c, double %b)\n"
            "ret double %r\n}\n"
        )
    text = Executable(code.text)
    kind = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double, ctypes.c_double, ctypes.c_double)
    function = kind(text.address + code.offsets["f"])
    yield lambda *operands: bits_of(function(*map(double, operands)))
    assert text.address


@settings(deadline=None, max_examples=2000)
@given(a=DOUBLES, c=DOUBLES, b=DOUBLES, cancels=st.sampled_from([None, 0, 1, 1 << 20, 3 << 52]))
def test_a_product_and_sum_is_rounded_once_or_is_no_number(multiply_and_add, a, c, b, cancels):
    if cancels is not None:
        b = (bits_of(double(a) * double(c)) ^ MINUS ^ cancels) & 2 * MINUS - 1

    result = multiply_and_add(a, c, b)

    assert result & 0x7FF << 52 == 0x7FF << 52 or result == multiply_add(a, c, b)


@settings(deadline=None)
@given(
    *(
        st.builds(
            lambda exponent, fraction: exponent << 52 | fraction, st.integers(800, 1200), rest
        )
        for rest in [st.integers(0, (1 << 52) - 1)] * 3
    )
)
def test_usual_numbers_have_an_answer(multiply_and_add, a, c, b):
    assert multiply_and_add(a, c, b) == multiply_add(a, c, b)
