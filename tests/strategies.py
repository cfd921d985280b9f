"""Hypothesis strategies that several rooms' tests share."""

from hypothesis import strategies as st

from papvmm.bits import ones
from papvmm.isa.operands import Kind, Operand


def operand_numbers(operand: Operand) -> st.SearchStrategy[int]:
    """Numbers that an operand field can hold."""
    if operand.kind is Kind.STATIC:
        return st.sampled_from(operand.values)
    low = -(1 << operand.width - 1) if operand.is_signed else 0
    return st.integers(low, low + ones(operand.width)).map(lambda n: n << operand.scale)
