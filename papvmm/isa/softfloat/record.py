"""The last fast operation: what FR, FI and FPRF follow from when somebody reads FPSCR.

An operation that rounds to nearest with a usual result changes nothing else in FPSCR, so it
only leaves its kind and operands in cells; a comparison after it leaves FPCC. ``settle`` does
the rest. All else of FPSCR is always current.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.isa.softfloat.arithmetic import OPERATIONS, operate
from papvmm.isa.softfloat.convert import to_integer
from papvmm.isa.softfloat.formats import result_class
from papvmm.isa.softfloat.fpscr import FI, FPCC, FPRF, FR
from papvmm.isa.state import FP_A, FP_B, FP_C, FP_CC, FP_KIND, FPSCR, ArchState

Recorded: TypeAlias = tuple[int, Callable[..., int]]
"""How many operands, and what computes FPSCR from them."""


def _arithmetic(name: str) -> Recorded:
    operation = OPERATIONS[name]
    count = operation.exact.__code__.co_argcount - 1
    return count, lambda *operands: operate(operation, operands, 0).fpscr


def _to_integer(width: int, *, is_signed: bool, to_zero: bool) -> Recorded:
    return 1, lambda b: to_integer(b, 0, width, is_signed=is_signed, to_zero=to_zero).fpscr


def _of_result(result: int) -> int:
    return result_class(result)


_RECORDED: Final[dict[str, Recorded]] = {
    **{name: _arithmetic(name) for name in OPERATIONS},
    **{
        f"fcti{size}{unsigned}{zero}": _to_integer(
            width, is_signed=not unsigned, to_zero=bool(zero)
        )
        for size, width in (("d", 64), ("w", 32))
        for unsigned in ("", "u")
        for zero in ("", "z")
    },
    "class": (1, _of_result),
}
KINDS: Final = {name: number for number, name in enumerate(_RECORDED, start=1)}
"""Numbers of operations in FP_KIND; 0 is none."""
_BY_NUMBER: Final = (None, *_RECORDED.values())
_OPERANDS: Final = (FP_A, FP_B, FP_C)


def settle(state: ArchState) -> int:
    """Bring FPSCR up to date and return it."""
    fpscr = state.read(FPSCR)
    recorded, fpcc = _BY_NUMBER[state.read(FP_KIND)], state.read(FP_CC)
    if recorded is not None:
        count, function = recorded
        of_operation = function(*(state.read(cell) for cell in _OPERANDS[:count]))
        fpscr = fpscr & ~(FR | FI | FPRF) | of_operation & (FR | FI | FPRF)
    if fpcc:
        fpscr = fpscr & ~FPCC | fpcc << 12
    if recorded is not None or fpcc:
        set_fpscr(state, fpscr)
    return fpscr


def set_fpscr(state: ArchState, fpscr: int) -> None:
    """Set FPSCR as a whole."""
    state.write(FPSCR, fpscr)
    state.write(FP_KIND, 0)
    state.write(FP_CC, 0)
