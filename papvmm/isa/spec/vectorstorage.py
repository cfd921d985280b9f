"""Vector loads and stores, and what aligns them (Power ISA v3.0B, Book I, 6.7).

What an element load leaves undefined is what the quadword around the element holds.
"""

from typing import Final

from papvmm.isa.facilities import Unit
from papvmm.isa.forms import vx_form, x_form
from papvmm.isa.instruction import Section
from papvmm.isa.msr import MSR_LE
from papvmm.isa.operands import VRB, VRS, VRT
from papvmm.isa.spec.fixedload import sum_address
from papvmm.isa.state import MSR, VSCR
from papvmm.isa.trace import Trace

section: Final = Section(Unit.VECTOR)

EACH_BYTE: Final = int.from_bytes(bytes([1] * 16))
COUNTING: Final = int.from_bytes(bytes(range(16)))

VSCR_BITS: Final = 0x0001_0001
"""NJ and SAT; the rest is reserved."""


def _load(name: str, xo: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        cpu[VRT] = cpu.load(cpu.address(sum_address(cpu) & -16), 128)

    describe.__doc__ = title
    section.define(f"{name} VRT,RA0,RB", x_form(31, xo))(describe)


_load("lvx", 103, "Load Vector Indexed.")
_load("lvxl", 359, "Load Vector Indexed Last.")
_load("lvebx", 7, "Load Vector Element Byte Indexed.")
_load("lvehx", 39, "Load Vector Element Halfword Indexed.")
_load("lvewx", 71, "Load Vector Element Word Indexed.")


def _store(name: str, xo: int, title: str) -> None:
    def describe(cpu: Trace) -> None:
        cpu.store(cpu.address(sum_address(cpu) & -16), cpu[VRS])

    describe.__doc__ = title
    section.define(f"{name} VRS,RA0,RB", x_form(31, xo))(describe)


_store("stvx", 231, "Store Vector Indexed.")
_store("stvxl", 487, "Store Vector Indexed Last.")


def _element_store(name: str, xo: int, size: int, title: str) -> None:
    """Add a store of the element that has the place in the register that EA has in a quadword."""

    def describe(cpu: Trace) -> None:
        ea = cpu.address(sum_address(cpu) & -size)
        is_little = (cpu[MSR] & MSR_LE).ne(0)
        after = is_little.select(ea, ~ea) & (16 - size)
        cpu.store(ea, (cpu[VRS] >> (after << 3).zext(128)).trunc(8 * size))

    describe.__doc__ = title
    section.define(f"{name} VRS,RA0,RB", x_form(31, xo))(describe)


_element_store("stvebx", 135, 1, "Store Vector Element Byte Indexed.")
_element_store("stvehx", 167, 2, "Store Vector Element Halfword Indexed.")
_element_store("stvewx", 199, 4, "Store Vector Element Word Indexed.")


@section.define("lvsl VRT,RA0,RB", x_form(31, 6))
def lvsl(cpu: Trace) -> None:
    """Load Vector for Shift Left."""
    cpu[VRT] = (sum_address(cpu) & 15).zext(128) * EACH_BYTE + COUNTING


@section.define("lvsr VRT,RA0,RB", x_form(31, 38))
def lvsr(cpu: Trace) -> None:
    """Load Vector for Shift Right."""
    shift = sum_address(cpu) & 15
    cpu[VRT] = (shift.coerce(16) - shift).zext(128) * EACH_BYTE + COUNTING


@section.define("mfvscr VRT", vx_form(4, 1540))
def mfvscr(cpu: Trace) -> None:
    """Move From Vector Status and Control Register."""
    cpu[VRT] = cpu[VSCR].zext(128)


@section.define("mtvscr VRB", vx_form(4, 1604))
def mtvscr(cpu: Trace) -> None:
    """Move To Vector Status and Control Register."""
    cpu[VSCR] = cpu[VRB].trunc(32) & VSCR_BITS
