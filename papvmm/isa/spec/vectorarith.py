"""Vector integer arithmetic, order and counts (Power ISA v3.0B, Book I, 6.9 to 6.11).

Families that compilers and string functions live on are traced; what saturates, sums across,
or counts in narrow elements is rare, and Python does it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeAlias

from papvmm.bits import ones, signed
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, vc_form, vx_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.operands import HIGH, LOW, RA, RT, VRA, VRB, VRT, Operand
from papvmm.isa.spec.vectorinteger import in_lanes, record_compared
from papvmm.isa.spec.vectorpermute import arrange
from papvmm.isa.state import VSCR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VECTOR)

Lanewise: TypeAlias = Callable[[Trace, int, Value, Value], Value]

LANES: Final = {"b": 8, "h": 16, "w": 32, "d": 64}
WORDS: Final[Mapping[int, str]] = {8: "Byte", 16: "Halfword", 32: "Word", 64: "Doubleword"}
SAT: Final = 1
"""VSCR: a result did not fit, since the bit was last cleared."""


def _lanewise(name: str, form: Form, lane: int, title: str, function: Lanewise) -> None:
    def describe(cpu: Trace) -> None:
        cpu[VRT] = function(cpu, lane, cpu[VRA], cpu[VRB])

    describe.__doc__ = title
    section.define(f"{name} VRT,VRA,VRB", form)(describe)


def _add(cpu: Trace, lane: int, a: Value, b: Value) -> Value:
    return cpu.lanes("add", lane, a, b)


def _subtract(cpu: Trace, lane: int, a: Value, b: Value) -> Value:
    return cpu.lanes("sub", lane, a, b)


for _letter, _lane in LANES.items():
    _row = 64 * list(LANES).index(_letter)
    _lanewise(
        f"vaddu{_letter}m", vx_form(4, _row), _lane,
        f"Vector Add Unsigned {WORDS[_lane]} Modulo.", _add,
    )  # fmt: skip
    _lanewise(
        f"vsubu{_letter}m", vx_form(4, 1024 + _row), _lane,
        f"Vector Subtract Unsigned {WORDS[_lane]} Modulo.", _subtract,
    )  # fmt: skip

_lanewise("vadduqm", vx_form(4, 256), 128, "Vector Add Unsigned Quadword Modulo.",
          lambda _cpu, _lane, a, b: a + b)  # fmt: skip
_lanewise("vsubuqm", vx_form(4, 1280), 128, "Vector Subtract Unsigned Quadword Modulo.",
          lambda _cpu, _lane, a, b: a - b)  # fmt: skip


def _extreme(name: str, xo: int, lane: int, order: str, *, greatest: bool) -> None:
    def choose(cpu: Trace, lane: int, a: Value, b: Value) -> Value:
        a_is_less = cpu.lanes(order, lane, a, b)
        low, high = (b, a) if greatest else (a, b)
        return (low & a_is_less) | (high & ~a_is_less)

    number = "Signed" if order == "slt" else "Unsigned"
    title = f"Vector {'Maximum' if greatest else 'Minimum'} {number} {WORDS[lane]}."
    _lanewise(name, vx_form(4, xo), lane, title, choose)


def _greater(name: str, xo: int, lane: int, order: str) -> None:
    number = "Signed" if order == "slt" else "Unsigned"
    record_compared(
        section, name, vc_form(4, xo), f"Vector Compare Greater Than {number} {WORDS[lane]}.",
        lambda cpu: cpu.lanes(order, lane, cpu[VRB], cpu[VRA]),
    )  # fmt: skip


for _row, (_letter, _lane) in enumerate(LANES.items()):
    _extreme(f"vmaxu{_letter}", 2 + 64 * _row, _lane, "ult", greatest=True)
    _extreme(f"vmaxs{_letter}", 258 + 64 * _row, _lane, "slt", greatest=True)
    _extreme(f"vminu{_letter}", 514 + 64 * _row, _lane, "ult", greatest=False)
    _extreme(f"vmins{_letter}", 770 + 64 * _row, _lane, "slt", greatest=False)
    _narrow = 518 + 64 * _row + (_letter == "d")
    _greater(f"vcmpgtu{_letter}", _narrow, _lane, "ult")
    _greater(f"vcmpgts{_letter}", _narrow + 256, _lane, "slt")


def _different(name: str, xo: int, lane: int) -> None:
    record_compared(
        section, name, vc_form(4, xo), f"Vector Compare Not Equal {WORDS[lane]}.",
        lambda cpu: ~cpu.lanes("eq", lane, cpu[VRA], cpu[VRB]),
    )  # fmt: skip


_different("vcmpneb", 7, 8)
_different("vcmpneh", 71, 16)
_different("vcmpnew", 135, 32)


def _shift_right_algebraic(cpu: Trace, lane: int, a: Value, b: Value) -> Value:
    return cpu.lanes("ashr", lane, a, b & in_lanes(lane - 1, lane))


def _rotate_left(cpu: Trace, lane: int, a: Value, b: Value) -> Value:
    amounts = in_lanes(lane - 1, lane)
    back = cpu.lanes("sub", lane, cpu.const(0, 128), b) & amounts
    return cpu.lanes("shl", lane, a, b & amounts) | cpu.lanes("lshr", lane, a, back)


for _letter, _lane, _sra, _rl in (
    ("b", 8, 772, 4), ("h", 16, 836, 68), ("w", 32, 900, 132), ("d", 64, 964, 196),
):  # fmt: skip
    _lanewise(
        f"vsra{_letter}", vx_form(4, _sra), _lane,
        f"Vector Shift Right Algebraic {WORDS[_lane]}.", _shift_right_algebraic,
    )  # fmt: skip
    _lanewise(
        f"vrl{_letter}", vx_form(4, _rl), _lane,
        f"Vector Rotate Left {WORDS[_lane]}.", _rotate_left,
    )  # fmt: skip


def _whole_shift(name: str, xo: int, amount: int, title: str, *, left: bool) -> None:
    """Add a shift of all 128 bits by the bits ``amount`` of VRB."""

    def describe(cpu: Trace) -> None:
        by = cpu[VRB] & amount
        cpu[VRT] = cpu[VRA] << by if left else cpu[VRA] >> by

    describe.__doc__ = title
    section.define(f"{name} VRT,VRA,VRB", vx_form(4, xo))(describe)


_whole_shift("vsl", 452, 0x07, "Vector Shift Left.", left=True)
_whole_shift("vsr", 708, 0x07, "Vector Shift Right.", left=False)
_whole_shift("vslo", 1036, 0x78, "Vector Shift Left by Octet.", left=True)
_whole_shift("vsro", 1100, 0x78, "Vector Shift Right by Octet.", left=False)


def _extract(name: str, xo: int, size: int, side: str) -> None:
    """Add an extract to a GPR of the element that begins so many bytes from one side."""

    def describe(cpu: Trace) -> None:
        index = cpu[RA] & 15
        after = index if side == "Right" else index.coerce(16 - size) - index
        shifted = cpu[VRB] >> ((after & 15) << 3).zext(128)
        cpu[RT] = shifted.trunc(64) & ones(8 * size)

    describe.__doc__ = f"Vector Extract Unsigned {WORDS[8 * size]} to GPR using {side}-Index."
    section.define(f"{name} RT,RA,VRB", vx_form(4, xo))(describe)


for _letter, _size, _xo in (("b", 1, 1549), ("h", 2, 1613), ("w", 4, 1677)):
    _extract(f"vextu{_letter}lx", _xo, _size, "Left")
    _extract(f"vextu{_letter}rx", _xo + 256, _size, "Right")


def _pack_modulo(name: str, xo: int, size: int) -> None:
    """Add a pack of the low halves of the elements of two vectors."""
    numbers = [
        vector + element + size // 2 + byte
        for vector in (0, 16)
        for element in range(0, 16, size)
        for byte in range(size // 2)
    ]

    def describe(cpu: Trace) -> None:
        cpu[VRT] = arrange(cpu, cpu[VRA], cpu[VRB], numbers)

    describe.__doc__ = f"Vector Pack Unsigned {WORDS[8 * size]} Unsigned Modulo."
    section.define(f"{name} VRT,VRA,VRB", vx_form(4, xo))(describe)


_pack_modulo("vpkuhum", 14, 2)
_pack_modulo("vpkuwum", 78, 4)
_pack_modulo("vpkudum", 1102, 8)


@section.define("vpopcntd VRT,VRB", vx_form(4, 1987).with_bits(11, 15, 0))
def vpopcntd(cpu: Trace) -> None:
    """Vector Population Count Doubleword."""
    for half in (HIGH, LOW):
        cpu[VRT.offset(half)] = cpu[VRB.offset(half)].popcount()


@section.define("vclzd VRT,VRB", vx_form(4, 1986).with_bits(11, 15, 0))
def vclzd(cpu: Trace) -> None:
    """Vector Count Leading Zeros Doubleword."""
    for half in (HIGH, LOW):
        cpu[VRT.offset(half)] = cpu[VRB.offset(half)].clz()


# What Python does.


def elements(number: int, lane: int) -> list[int]:
    """Return the elements of a vector, the most significant first, as unsigned numbers."""
    return [number >> shift & ones(lane) for shift in range(128 - lane, -1, -lane)]


def joined(values: Iterable[int], lane: int) -> int:
    """Return the vector of elements, the most significant first."""
    number = 0
    for value in values:
        number = number << lane | value & ones(lane)
    return number


def _counted(name: str, form: Form, lane: int, title: str, count: Callable[[int], int]) -> None:
    def helper(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
        source = elements(state.vsr(32 + fields[VRB]), lane)
        state.set_vsr(32 + fields[VRT], joined(map(count, source), lane))

    helper.__doc__ = title
    section.define_helper(f"{name} VRT,VRB", form)(helper)


def _trailing_zeros(lane: int) -> Callable[[int], int]:
    return lambda value: (value & -value).bit_length() - 1 if value else lane


def _leading_zeros(lane: int) -> Callable[[int], int]:
    return lambda value: lane - value.bit_length()


for _row, (_letter, _lane) in enumerate(LANES.items()):
    _word = WORDS[_lane]
    if _letter != "d":
        _counted(f"vpopcnt{_letter}", vx_form(4, 1795 + 64 * _row).with_bits(11, 15, 0), _lane,
                 f"Vector Population Count {_word}.", int.bit_count)  # fmt: skip
        _counted(f"vclz{_letter}", vx_form(4, 1794 + 64 * _row).with_bits(11, 15, 0), _lane,
                 f"Vector Count Leading Zeros {_word}.", _leading_zeros(_lane))  # fmt: skip
    _counted(f"vctz{_letter}", vx_form(4, 1538).with_bits(11, 15, 28 + _row), _lane,
             f"Vector Count Trailing Zeros {_word}.", _trailing_zeros(_lane))  # fmt: skip


def _saturated(state: ArchState, value: int, least: int, most: int) -> int:
    """Return the nearest number that fits, and record in VSCR[SAT] if it is another one."""
    fits = min(max(value, least), most)
    if fits != value:
        state.write(VSCR, state.read(VSCR) | SAT)
    return fits


def _saturating(name: str, xo: int, lane: int, title: str, sign: int, *, is_signed: bool) -> None:
    least, most = (-(1 << lane - 1), ones(lane - 1)) if is_signed else (0, ones(lane))

    def number(value: int) -> int:
        return signed(value, lane) if is_signed else value

    def helper(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
        a, b = (elements(state.vsr(32 + fields[operand]), lane) for operand in (VRA, VRB))
        sums = [number(x) + sign * number(y) for x, y in zip(a, b, strict=True)]
        fitting = [_saturated(state, value, least, most) for value in sums]
        state.set_vsr(32 + fields[VRT], joined(fitting, lane))

    helper.__doc__ = title
    section.define_helper(f"{name} VRT,VRA,VRB", vx_form(4, xo))(helper)


for _row, (_letter, _lane) in enumerate((("b", 8), ("h", 16), ("w", 32))):
    for _number, _signed, _xo in (("u", False, 512), ("s", True, 768)):
        _kind = f"{'Signed' if _signed else 'Unsigned'} {WORDS[_lane]} Saturate."
        _saturating(f"vadd{_number}{_letter}s", _xo + 64 * _row, _lane,
                    f"Vector Add {_kind}", 1, is_signed=_signed)  # fmt: skip
        _saturating(f"vsub{_number}{_letter}s", _xo + 1024 + 64 * _row, _lane,
                    f"Vector Subtract {_kind}", -1, is_signed=_signed)  # fmt: skip


@section.define_helper("vsumsws VRT,VRA,VRB", vx_form(4, 1928))
def vsumsws(state: ArchState, _storage: Storage, fields: Mapping[Operand, int]) -> None:
    """Vector Sum across Signed Word Saturate: the last word of VRB is added, too."""
    words = elements(state.vsr(32 + fields[VRA]), 32)
    words.append(elements(state.vsr(32 + fields[VRB]), 32)[-1])
    total = sum(signed(word, 32) for word in words)
    state.set_vsr(32 + fields[VRT], _saturated(state, total, -(1 << 31), ones(31)) & ones(32))
