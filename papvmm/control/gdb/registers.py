"""The registers of a vcpu as a debugger knows them: gdb's own features, SPRs, and the areas.

The first 71, core and FPU, have the order of QEMU's ``g``; the others follow. gdb goes by names.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Final, TypeAlias

from papvmm.isa.msr import MSR_GUEST
from papvmm.isa.softfloat.record import set_fpscr, settle
from papvmm.isa.sprs import Spr
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, VRSAVE, VSCR, VSR, ArchState, Cell
from papvmm.isa.versions import Isa
from papvmm.values import Value
from papvmm.vcpu.sprs import read_spr, registers_of, write_spr
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VpaArea
from papvmm.vpa.layout import Area
from papvmm.vpa.lppaca import LPPACA
from papvmm.vpa.structure import Field, Writer

Get: TypeAlias = Callable[[Vcpu], int | None]
"""Reads a register; None where there is none at the moment."""
Put: TypeAlias = Callable[[Vcpu, int], bool]
"""Writes it; returns False if that can't be."""

CORE: Final = "org.gnu.gdb.power.core"
FPU: Final = "org.gnu.gdb.power.fpu"
ALTIVEC: Final = "org.gnu.gdb.power.altivec"
VSX: Final = "org.gnu.gdb.power.vsx"
SPRS: Final = "org.papvmm.spr"
AREAS: Final = "org.papvmm.vpa"

TOLD_AT_ONCE: Final = 71
"""How many registers ``g`` and ``G`` carry: those of the core, and the FPU's."""

_PREFIXES: Final = {Area.VPA: "vpa", Area.SLB_SHADOW: "slb", Area.DTL: "dtl"}


class Register(Value):
    """A register of ``bits``, as gdb numbers and names it; ``kind`` is its type there.

    One without ``put`` is only looked at.
    """

    feature: str
    number: int
    name: str
    bits: int
    kind: str
    get: Get
    put: Put | None
    group: str = ""


@cache
def registers(isa: Isa) -> tuple[Register, ...]:
    """Return the registers of a processor with a version of the ISA, by number."""
    rows = (*_core(), *_fpu(), *_altivec(), *_vsx())
    rows = tuple(sorted(rows, key=lambda row: row.number))
    rows += tuple(_sprs(isa, {row.name for row in rows}, len(rows)))
    return rows + tuple(_areas(len(rows)))


def _cell(
    feature: str, number: int, name: str, kind: str, cell: Cell, element: int = 0
) -> Register:
    def get(vcpu: Vcpu) -> int:
        return vcpu.state.read(cell, element)

    def put(vcpu: Vcpu, value: int) -> bool:
        vcpu.state.write(cell, value, element)
        return True

    return Register(feature, number, name, cell.width, kind, get, put)


def _core() -> Iterator[Register]:
    for index in range(32):
        yield _cell(CORE, index, f"r{index}", "uint64", GPR, index)
    yield _cell(CORE, 64, "pc", "code_ptr", CIA)
    yield Register(CORE, 65, "msr", 64, "uint64", lambda vcpu: vcpu.state.read(MSR), _put_msr)
    yield Register(CORE, 66, "cr", 32, "uint32", lambda vcpu: vcpu.state.cr, _put_cr)
    yield _cell(CORE, 67, "lr", "code_ptr", LR)
    yield _cell(CORE, 68, "ctr", "uint64", CTR)
    yield Register(CORE, 69, "xer", 32, "uint32", lambda vcpu: vcpu.state.xer, _put_xer)


def _put_msr(vcpu: Vcpu, value: int) -> bool:
    vcpu.state.write(MSR, value & MSR_GUEST)
    return True


def _put_cr(vcpu: Vcpu, value: int) -> bool:
    vcpu.state.cr = value
    return True


def _put_xer(vcpu: Vcpu, value: int) -> bool:
    vcpu.state.xer = value
    return True


def _fpu() -> Iterator[Register]:
    for index in range(32):
        yield _cell(FPU, 32 + index, f"f{index}", "ieee_double", VSR, 2 * index + 1)
    yield Register(FPU, 70, "fpscr", 64, "uint64", _fpscr, _put_fpscr, "float")


def _fpscr(vcpu: Vcpu) -> int:
    """Settle a copy: to look must leave the state as it is."""
    return settle(ArchState(memoryview(bytearray(vcpu.state.buffer))))


def _put_fpscr(vcpu: Vcpu, value: int) -> bool:
    set_fpscr(vcpu.state, value)
    return True


def _altivec() -> Iterator[Register]:
    for index in range(32):
        yield _vr(71 + index, index)
    yield _cell(ALTIVEC, 103, "vscr", "uint32", VSCR)
    yield _cell(ALTIVEC, 104, "vrsave", "uint32", VRSAVE)


def _vr(number: int, index: int) -> Register:
    def get(vcpu: Vcpu) -> int:
        return vcpu.state.vsr(32 + index)

    def put(vcpu: Vcpu, value: int) -> bool:
        vcpu.state.set_vsr(32 + index, value)
        return True

    return Register(ALTIVEC, number, f"vr{index}", 128, "vec128", get, put)


def _vsx() -> Iterator[Register]:
    """Yield the halves of the first 32 VSRs that no FPR is."""
    for index in range(32):
        yield _cell(VSX, 105 + index, f"vs{index}h", "uint64", VSR, 2 * index)


def _sprs(isa: Isa, known: set[str], first: int) -> Iterator[Register]:
    rows = (row for row in registers_of(isa) if row.name.lower() not in known)
    for number, row in enumerate(sorted(rows, key=lambda row: row.number), start=first):
        yield _spr(number, row)


def _spr(number: int, row: Spr) -> Register:
    def get(vcpu: Vcpu) -> int:
        return read_spr(vcpu, row)

    def put(vcpu: Vcpu, value: int) -> bool:
        return write_spr(vcpu, row.name, value)

    name, kind = row.name.lower(), f"uint{row.width}"
    return Register(SPRS, number, name, row.width, kind, get, put, "spr")


def _areas(first: int) -> Iterator[Register]:
    """Yield what each area is asked to be (``addr``, ``len``) and is (``pinned``).

    ``dtl_count`` is the number of entries written, as the hypervisor knows it; what it keeps in
    the VPA comes after that, from RAM.
    """
    rows: list[tuple[str, int, Get]] = []
    for area, name in _PREFIXES.items():
        rows.append((f"{name}_addr", 64, _of_area(area, lambda area: area.next_gpa)))
        if area is not Area.VPA:
            rows.append((f"{name}_len", 64, _of_area(area, lambda area: area.length)))
        rows.append((f"{name}_pinned", 64, _pinned(area)))
    rows.append(("dtl_count", 64, lambda vcpu: vcpu.areas.dtl_index))
    rows += [
        (f"lppaca_{field.name}", 8 * field.width, _in_vpa(field))
        for field in LPPACA.fields
        if field.writer is Writer.HYPERVISOR and field.width in (1, 2, 4, 8)
    ]
    for number, (name, bits, get) in enumerate(rows, start=first):
        yield Register(AREAS, number, name, bits, f"uint{bits}", get, None, "papr")


def _of_area(kind: Area, read: Callable[[VpaArea], int]) -> Get:
    return lambda vcpu: read(vcpu.areas.area(kind))


def _pinned(kind: Area) -> Get:
    def get(vcpu: Vcpu) -> int:
        pinned = vcpu.areas.area(kind).pinned
        return 0 if pinned is None else pinned.gpa

    return get


def _in_vpa(field: Field) -> Get:
    def get(vcpu: Vcpu) -> int | None:
        pinned = vcpu.areas.vpa.pinned
        if pinned is None:
            return None
        return vcpu.areas.door.memory.load_be(pinned.gpa + field.offset, field.width)

    return get
