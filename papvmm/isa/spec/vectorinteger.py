"""Vector logical, shift, compare and bit instructions (Power ISA v3.0B, Book I, 6.9 to 6.13)."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, vc_form, vx_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import HIGH, LOW, RT, VRA, VRB, VRT, Operand, Register
from papvmm.isa.spec.vectorstorage import EACH_BYTE
from papvmm.isa.state import CR
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VECTOR)

Binary: TypeAlias = Callable[[Value, Value], Value]

LOGICAL: Final[Mapping[str, tuple[Binary, str]]] = {
    "and": (lambda a, b: a & b, "AND"),
    "andc": (lambda a, b: a & ~b, "AND with Complement"),
    "or": (lambda a, b: a | b, "OR"),
    "orc": (lambda a, b: a | ~b, "OR with Complement"),
    "xor": (lambda a, b: a ^ b, "XOR"),
    "nor": (lambda a, b: ~(a | b), "NOR"),
    "nand": (lambda a, b: ~(a & b), "NAND"),
    "eqv": (lambda a, b: ~(a ^ b), "Equivalence"),
}
"""What the logical operations of VMX and VSX compute."""


def combine(cpu: Trace, operands: tuple[Operand, Operand, Operand], function: Binary) -> None:
    """Set the first of three vector registers to a bitwise function of the others."""
    target, a, b = operands
    for half in (HIGH, LOW):
        cpu[target.offset(half)] = function(cpu[a.offset(half)], cpu[b.offset(half)])


def _logical(name: str, xo: int) -> None:
    function, title = LOGICAL[name]

    def describe(cpu: Trace) -> None:
        combine(cpu, (VRT, VRA, VRB), function)

    describe.__doc__ = f"Vector Logical {title}."
    section.define(f"v{name} VRT,VRA,VRB", vx_form(4, xo))(describe)


for _name, _xo in (
    ("and", 1028), ("andc", 1092), ("or", 1156), ("xor", 1220), ("nor", 1284), ("orc", 1348),
    ("nand", 1412), ("eqv", 1668),
):  # fmt: skip
    _logical(_name, _xo)


def in_lanes(number: int, lane: int) -> int:
    """Return the 128-bit vector that has ``number`` in every element of ``lane`` bits."""
    return number * sum(1 << place for place in range(0, 128, lane))


def _shift(name: str, xo: int, code: str, lane: int, title: str) -> None:
    amounts = in_lanes(lane - 1, lane)

    def describe(cpu: Trace) -> None:
        cpu[VRT] = cpu.lanes(code, lane, cpu[VRA], cpu[VRB] & amounts)

    describe.__doc__ = title
    section.define(f"{name} VRT,VRA,VRB", vx_form(4, xo))(describe)


for _row in (
    ("vslb", 260, "shl", 8, "Vector Shift Left Byte."),
    ("vslh", 324, "shl", 16, "Vector Shift Left Halfword."),
    ("vslw", 388, "shl", 32, "Vector Shift Left Word."),
    ("vsld", 1476, "shl", 64, "Vector Shift Left Doubleword."),
    ("vsrb", 516, "lshr", 8, "Vector Shift Right Byte."),
    ("vsrh", 580, "lshr", 16, "Vector Shift Right Halfword."),
    ("vsrw", 644, "lshr", 32, "Vector Shift Right Word."),
    ("vsrd", 1732, "lshr", 64, "Vector Shift Right Doubleword."),
):
    _shift(*_row)

CR6: Final = 24


def record_compared(
    section: Section, name: str, form: Form, title: str, compare: Callable[[Trace], Value]
) -> None:
    """Add a comparison, which gives ones or zeros in each element; with Rc=1 CR6 tells of all."""

    def describe(cpu: Trace) -> None:
        cpu[VRT] = compare(cpu)

    def describe_recording(cpu: Trace) -> None:
        result = compare(cpu)
        cpu[VRT] = result
        # Not result.eq(-1): LLVM 22 crashes on that where both operands are the same register.
        halves = result.trunc(64) & (result >> 64).trunc(64)
        everywhere, nowhere = halves.eq(-1), result.eq(0)
        for element, bit in enumerate((everywhere, cpu.const(0, 1), nowhere, cpu.const(0, 1))):
            cpu[Register(CR, None, CR6 + element)] = bit

    describe.__doc__ = describe_recording.__doc__ = title
    section.define(f"{name} VRT,VRA,VRB", form.with_bits(21, 21, 0))(describe)
    section.define(f"{name}. VRT,VRA,VRB", form.with_bits(21, 21, 1))(describe_recording)


def _compare(name: str, xo: int, lane: int, title: str) -> None:
    def compare(cpu: Trace) -> Value:
        return cpu.lanes("eq", lane, cpu[VRA], cpu[VRB])

    record_compared(section, name, vc_form(4, xo), title, compare)


_compare("vcmpequb", 6, 8, "Vector Compare Equal Unsigned Byte.")
_compare("vcmpequh", 70, 16, "Vector Compare Equal Unsigned Halfword.")
_compare("vcmpequw", 134, 32, "Vector Compare Equal Unsigned Word.")
_compare("vcmpequd", 199, 64, "Vector Compare Equal Unsigned Doubleword.")


GATHER: Final = 0x0102_0408_1020_4080
"""Times a doubleword of bytes of one bit, this has them side by side in the highest byte."""


@section.define("vbpermq VRT,VRA,VRB", vx_form(4, 1356))
def vbpermq(cpu: Trace) -> None:
    """Vector Bit Permute Quadword: sixteen bits by their numbers; from 128 on they are zero."""
    source, numbers = cpu[VRA], cpu[VRB]
    bytes_ = cpu.pure("permute", 128, source, source, (numbers >> 3) & in_lanes(15, 8))
    shifts = (numbers & in_lanes(7, 8)) ^ in_lanes(7, 8)
    bits = cpu.lanes("lshr", 8, bytes_, shifts) & ~(numbers >> 7) & EACH_BYTE
    first, second = (bits >> 64).trunc(64) * GATHER >> 56, bits.trunc(64) * GATHER >> 56
    cpu[VRT.offset(HIGH)] = first << 8 | second
    cpu[VRT.offset(LOW)] = cpu.const(0)


@section.define("vgbbd VRT,VRB", vx_form(4, 1292))
def vgbbd(cpu: Trace) -> None:
    """Vector Gather Bits by Bytes by Doubleword: transpose each as eight rows of eight bits."""
    for half in (HIGH, LOW):
        rows = cpu[VRB.offset(half)]
        for distance, corner in (
            (7, 0x00AA_00AA_00AA_00AA),
            (14, 0x0000_CCCC_0000_CCCC),
            (28, 0xF0F0_F0F0),
        ):
            swapped = (rows ^ (rows >> distance)) & corner
            rows = rows ^ swapped ^ (swapped << distance)
        cpu[VRT.offset(half)] = rows


LOWEST_BITS: Final = EACH_BYTE


@section.define("vclzlsbb RT,VRB", vx_form(4, 1538).with_bits(11, 15, 0))
def vclzlsbb(cpu: Trace) -> None:
    """Vector Count Leading Zero Least-Significant Bits Byte."""
    cpu[RT] = ((cpu[VRB] & LOWEST_BITS).clz() >> 3).trunc(64)


@section.define("vctzlsbb RT,VRB", vx_form(4, 1538).with_bits(11, 15, 1))
def vctzlsbb(cpu: Trace) -> None:
    """Vector Count Trailing Zero Least-Significant Bits Byte."""
    bits = cpu[VRB] & LOWEST_BITS
    below = ~bits & (bits - 1)
    cpu[RT] = (below.popcount() >> 3).trunc(64)
