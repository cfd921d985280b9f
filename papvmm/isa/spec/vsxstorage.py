"""VSX loads and stores (Power ISA v3.0B, Book I, 7.6.3).

What a scalar load leaves undefined is 0.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import Form, d_form, dq_form, ds_form, x_form
from papvmm.isa.instruction import Section, Storage
from papvmm.isa.msr import MSR_LE, MSR_SF
from papvmm.isa.operands import HIGH, LOW, RA0, RB, VRS, VRT, XS, XSQ, XT, XTQ, Operand
from papvmm.isa.spec.fixedload import effective_address, sum_address
from papvmm.isa.spec.fpstorage import to_double, to_single
from papvmm.isa.state import GPR, MSR, ArchState
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VSX)

Fields = Mapping[Operand, int]


def _load_scalar(syntax: str, form: Form, width: int, extend: str, title: str) -> None:
    target = VRT if "VRT" in syntax else XT

    def describe(cpu: Trace) -> None:
        value = cpu.load(effective_address(cpu), width)
        match extend:
            case "float":
                double = to_double(value)
            case "sign":
                double = value.sext(64)
            case _:
                double = value.zext(64)
        cpu[target.offset(HIGH)] = double
        cpu[target.offset(LOW)] = cpu.const(0)

    describe.__doc__ = title
    section.define(syntax, form)(describe)


for _row in (
    ("lxsdx XT,RA0,RB", x_form(31, 588), 64, "", "Load VSX Scalar Doubleword Indexed."),
    ("lxsspx XT,RA0,RB", x_form(31, 524), 32, "float", "Load VSX Scalar Single Indexed."),
    ("lxsiwax XT,RA0,RB", x_form(31, 76), 32, "sign", "Load VSX Scalar as Integer Word Algebraic."),
    ("lxsiwzx XT,RA0,RB", x_form(31, 12), 32, "", "Load VSX Scalar as Integer Word and Zero."),
    ("lxsibzx XT,RA0,RB", x_form(31, 781), 8, "", "Load VSX Scalar as Integer Byte and Zero."),
    ("lxsihzx XT,RA0,RB", x_form(31, 813), 16, "", "Load VSX Scalar as Integer Halfword and Zero."),
    ("lxsd VRT,DS(RA0)", ds_form(57, 2), 64, "", "Load VSX Scalar Doubleword."),
    ("lxssp VRT,DS(RA0)", ds_form(57, 3), 32, "float", "Load VSX Scalar Single."),
):
    _load_scalar(*_row)


def _store_scalar(syntax: str, form: Form, width: int, title: str, *, single: bool = False) -> None:
    source = VRS if "VRS" in syntax else XS

    def describe(cpu: Trace) -> None:
        value = cpu[source.offset(HIGH)]
        cpu.store(effective_address(cpu), to_single(value) if single else value.trunc(width))

    describe.__doc__ = title
    section.define(syntax, form)(describe)


for _syntax, _form, _width, _title in (
    ("stxsdx XS,RA0,RB", x_form(31, 716), 64, "Store VSX Scalar Doubleword Indexed."),
    ("stxsiwx XS,RA0,RB", x_form(31, 140), 32, "Store VSX Scalar as Integer Word Indexed."),
    ("stxsibx XS,RA0,RB", x_form(31, 909), 8, "Store VSX Scalar as Integer Byte Indexed."),
    ("stxsihx XS,RA0,RB", x_form(31, 941), 16, "Store VSX Scalar as Integer Halfword Indexed."),
    ("stxsd VRS,DS(RA0)", ds_form(61, 2), 64, "Store VSX Scalar Doubleword."),
):
    _store_scalar(_syntax, _form, _width, _title)
_store_scalar(
    "stxsspx XS,RA0,RB", x_form(31, 652), 32, "Store VSX Scalar Single Indexed.", single=True
)
_store_scalar("stxssp VRS,DS(RA0)", ds_form(61, 3), 32, "Store VSX Scalar Single.", single=True)


def _load_elements(name: str, xo: int, width: int, title: str) -> None:
    """Add a load of elements of ``width`` bits, the one at the lowest address the first."""

    def describe(cpu: Trace) -> None:
        start = sum_address(cpu)
        vector: Value = cpu.const(0, 128)
        for number in range(128 // width):
            ea = cpu.address(start + number * width // 8)
            vector = vector | (cpu.load(ea, width).zext(128) << 128 - width * (number + 1))
        cpu[XT] = vector

    describe.__doc__ = title
    section.define(f"{name} XT,RA0,RB", x_form(31, xo))(describe)


_load_elements("lxvw4x", 780, 32, "Load VSX Vector Word*4 Indexed.")
_load_elements("lxvh8x", 812, 16, "Load VSX Vector Halfword*8 Indexed.")
_load_elements("lxvb16x", 876, 8, "Load VSX Vector Byte*16 Indexed.")


@section.define("lxvd2x XT,RA0,RB", x_form(31, 844))
def lxvd2x(cpu: Trace) -> None:
    """Load VSX Vector Doubleword*2 Indexed."""
    start = sum_address(cpu)
    cpu[XT.offset(HIGH)] = cpu.load(cpu.address(start), 64)
    cpu[XT.offset(LOW)] = cpu.load(cpu.address(start + 8), 64)


def _store_elements(name: str, xo: int, width: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        start = sum_address(cpu)
        for number in range(128 // width):
            half = cpu[XS.offset(HIGH if number < 64 // width else LOW)]
            element = half >> 64 - width * (number % (64 // width) + 1)
            cpu.store(cpu.address(start + number * width // 8), element.trunc(width))

    describe.__doc__ = title
    section.define(f"{name} XS,RA0,RB", x_form(31, xo))(describe)


_store_elements("stxvd2x", 972, 64, "Store VSX Vector Doubleword*2 Indexed.")
_store_elements("stxvw4x", 908, 32, "Store VSX Vector Word*4 Indexed.")
_store_elements("stxvh8x", 940, 16, "Store VSX Vector Halfword*8 Indexed.")
_store_elements("stxvb16x", 1004, 8, "Store VSX Vector Byte*16 Indexed.")


def _load_vector(syntax: str, form: Form, target: Operand, title: str) -> None:
    def describe(cpu: Trace) -> None:
        cpu[target] = cpu.load(effective_address(cpu), 128)

    describe.__doc__ = title
    section.define(syntax, form, high_unit=Unit.VECTOR)(describe)


def _store_vector(syntax: str, form: Form, source: Operand, title: str) -> None:
    def describe(cpu: Trace) -> None:
        cpu.store(effective_address(cpu), cpu[source])

    describe.__doc__ = title
    section.define(syntax, form, high_unit=Unit.VECTOR)(describe)


LXVX: Final = d_form(31).with_bits(21, 24, 4).with_bits(26, 30, 12)
STXVX: Final = d_form(31).with_bits(21, 24, 6).with_bits(26, 30, 12)
"""Bit 25 is reserved."""

_load_vector("lxvx XT,RA0,RB", LXVX, XT, "Load VSX Vector Indexed.")
_load_vector("lxv XTQ,DQ(RA0)", dq_form(61, 1), XTQ, "Load VSX Vector.")
_store_vector("stxvx XS,RA0,RB", STXVX, XS, "Store VSX Vector Indexed.")
_store_vector("stxv XSQ,DQ(RA0)", dq_form(61, 5), XSQ, "Store VSX Vector.")


def _load_splat(name: str, xo: int, width: int, title: str, high: Unit | None = None) -> None:
    each = sum(1 << place for place in range(0, 64, width))

    def describe(cpu: Trace) -> None:
        doubleword = cpu.load(effective_address(cpu), width).zext(64) * each
        for half in (HIGH, LOW):
            cpu[XT.offset(half)] = doubleword

    describe.__doc__ = title
    section.define(f"{name} XT,RA0,RB", x_form(31, xo), high_unit=high)(describe)


_load_splat("lxvdsx", 332, 64, "Load VSX Vector Doubleword and Splat Indexed.")
_load_splat("lxvwsx", 364, 32, "Load VSX Vector Word and Splat Indexed.", Unit.VECTOR)


def _bytes(state: ArchState, fields: Fields) -> Iterator[int]:
    """Yield the effective address of each byte that a load or store with length moves."""
    mask = ones(64 if state.read(MSR) & MSR_SF else 32)
    base = state.read(GPR, RA0.offset(0).element_for(fields[RA0]))
    length = min(state.read(GPR, fields[RB]) >> 56, 16)
    return ((base + number) & mask for number in range(length))


def _is_little(state: ArchState) -> bool:
    return bool(state.read(MSR) & MSR_LE)


@section.define_helper("lxvl XT,RA0,RB", x_form(31, 269), high_unit=Unit.VECTOR)
def lxvl(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Load VSX Vector with Length: as much of a quadword, in the guest's byte order."""
    data = bytes(storage.load(ea, 1) for ea in _bytes(state, fields)).ljust(16, b"\0")
    order = data[::-1] if _is_little(state) else data
    state.set_vsr(fields[XT], int.from_bytes(order))


@section.define_helper("lxvll XT,RA0,RB", x_form(31, 301), high_unit=Unit.VECTOR)
def lxvll(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Load VSX Vector Left-justified with Length: the same bytes in either byte order."""
    data = bytes(storage.load(ea, 1) for ea in _bytes(state, fields))
    state.set_vsr(fields[XT], int.from_bytes(data.ljust(16, b"\0")))


@section.define_helper("stxvl XS,RA0,RB", x_form(31, 397), high_unit=Unit.VECTOR)
def stxvl(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Store VSX Vector with Length."""
    data = state.vsr(fields[XS]).to_bytes(16)
    order = data[::-1] if _is_little(state) else data
    for ea, byte in zip(_bytes(state, fields), order, strict=False):
        storage.store(ea, 1, byte)


@section.define_helper("stxvll XS,RA0,RB", x_form(31, 429), high_unit=Unit.VECTOR)
def stxvll(state: ArchState, storage: Storage, fields: Fields) -> None:
    """Store VSX Vector Left-justified with Length."""
    data = state.vsr(fields[XS]).to_bytes(16)
    for ea, byte in zip(_bytes(state, fields), data, strict=False):
        storage.store(ea, 1, byte)
