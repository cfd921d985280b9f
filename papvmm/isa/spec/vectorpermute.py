"""Merges, splats, permutes and shifts of whole vectors (Power ISA v3.0B, Book I, 6.8)."""

from collections.abc import Iterable
from typing import Final

from papvmm.bits import ones
from papvmm.isa.facilities import Unit
from papvmm.isa.forms import va_form, vx_form
from papvmm.isa.instruction import Section
from papvmm.isa.operands import (
    HIGH,
    LOW,
    SHB,
    SIM,
    UIM2,
    UIM3,
    UIM4,
    VRA,
    VRB,
    VRC,
    VRT,
    Operand,
)
from papvmm.isa.spec.vectorstorage import COUNTING, EACH_BYTE
from papvmm.isa.trace import Trace
from papvmm.isa.value import Value

section: Final = Section(Unit.VECTOR)

INDEXES: Final = 31 * EACH_BYTE


def permute(cpu: Trace, first: Value, second: Value, control: Value) -> Value:
    """Return the bytes of both that the low five bits of each byte of ``control`` number."""
    return cpu.pure("permute", 128, first, second, control)


def arrange(cpu: Trace, first: Value, second: Value, numbers: Iterable[int]) -> Value:
    """Return 16 bytes by their numbers: 0 is the most significant of ``first``."""
    return permute(cpu, first, second, cpu.const(int.from_bytes(bytes(numbers)), 128))


def interleaved(size: int, elements: Iterable[int]) -> list[int]:
    """Return the byte numbers of elements of ``size`` bytes: of the first, of the second, ..."""
    return [
        vector + size * element + byte
        for element in elements
        for vector in (0, 16)
        for byte in range(size)
    ]


def _merge(name: str, xo: int, size: int, elements: Iterable[int], title: str) -> None:
    numbers = interleaved(size, elements)

    def describe(cpu: Trace) -> None:
        cpu[VRT] = arrange(cpu, cpu[VRA], cpu[VRB], numbers)

    describe.__doc__ = title
    section.define(f"{name} VRT,VRA,VRB", vx_form(4, xo))(describe)


_merge("vmrghb", 12, 1, range(8), "Vector Merge High Byte.")
_merge("vmrghh", 76, 2, range(4), "Vector Merge High Halfword.")
_merge("vmrghw", 140, 4, range(2), "Vector Merge High Word.")
_merge("vmrglb", 268, 1, range(8, 16), "Vector Merge Low Byte.")
_merge("vmrglh", 332, 2, range(4, 8), "Vector Merge Low Halfword.")
_merge("vmrglw", 396, 4, range(2, 4), "Vector Merge Low Word.")
_merge("vmrgew", 1932, 4, (0, 2), "Vector Merge Even Word.")
_merge("vmrgow", 1676, 4, (1, 3), "Vector Merge Odd Word.")


def _splat(syntax: str, xo: int, size: int, element: Operand, title: str) -> None:
    within = int.from_bytes(bytes(range(size)) * (16 // size))

    def describe(cpu: Trace) -> None:
        first = (cpu[element] * size).zext(128)
        cpu[VRT] = permute(cpu, cpu[VRB], cpu[VRB], first * EACH_BYTE + within)

    describe.__doc__ = title
    section.define(syntax, vx_form(4, xo))(describe)


_splat("vspltb VRT,VRB,UIM4", 524, 1, UIM4, "Vector Splat Byte.")
_splat("vsplth VRT,VRB,UIM3", 588, 2, UIM3, "Vector Splat Halfword.")
_splat("vspltw VRT,VRB,UIM2", 652, 4, UIM2, "Vector Splat Word.")


def _splat_immediate(name: str, xo: int, width: int, title: str) -> None:
    each = sum(1 << place for place in range(0, 64, width))

    def describe(cpu: Trace) -> None:
        doubleword = (cpu[SIM] & ones(width)) * each
        for half in (HIGH, LOW):
            cpu[VRT.offset(half)] = doubleword

    describe.__doc__ = title
    section.define(f"{name} VRT,SIM", vx_form(4, xo))(describe)


_splat_immediate("vspltisb", 780, 8, "Vector Splat Immediate Signed Byte.")
_splat_immediate("vspltish", 844, 16, "Vector Splat Immediate Signed Halfword.")
_splat_immediate("vspltisw", 908, 32, "Vector Splat Immediate Signed Word.")


@section.define("vperm VRT,VRA,VRB,VRC", va_form(4, 43))
def vperm(cpu: Trace) -> None:
    """Vector Permute."""
    cpu[VRT] = permute(cpu, cpu[VRA], cpu[VRB], cpu[VRC])


@section.define("vpermr VRT,VRA,VRB,VRC", va_form(4, 59))
def vpermr(cpu: Trace) -> None:
    """Vector Permute Right-indexed."""
    cpu[VRT] = permute(cpu, cpu[VRA], cpu[VRB], cpu[VRC] ^ INDEXES)


@section.define("vsldoi VRT,VRA,VRB,SHB", va_form(4, 44).with_bits(21, 21, 0))
def vsldoi(cpu: Trace) -> None:
    """Vector Shift Left Double by Octet Immediate."""
    control = cpu[SHB].zext(128) * EACH_BYTE + COUNTING
    cpu[VRT] = permute(cpu, cpu[VRA], cpu[VRB], control)


@section.define("vsel VRT,VRA,VRB,VRC", va_form(4, 42))
def vsel(cpu: Trace) -> None:
    """Vector Select."""
    for half in (HIGH, LOW):
        a, b, c = (cpu[operand.offset(half)] for operand in (VRA, VRB, VRC))
        cpu[VRT.offset(half)] = (a & ~c) | (b & c)
