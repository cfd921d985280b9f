"""The registers of ONE_REG, one row each: names and numbers as in Linux's ``uapi/asm/kvm.h``.

An id is the architecture, the logarithm of the register's size, and a number; only the whole id
names a register. Rows are what a VMM migrates of a processor in a papvmm guest, whatever model
it is. Registers that no such guest has (transactional memory, BookE, DABR …) have no row, so their
ids are unknown. How it behaves: ``arch/powerpc/kvm/book3s_hv.c``.
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from papvmm.bits import M64, ones
from papvmm.clock import ticks_at
from papvmm.errors import PapvmmError
from papvmm.isa.softfloat.record import set_fpscr, settle
from papvmm.isa.state import (
    CELLS,
    IC_OFFSET,
    LPCR,
    LPCR_AIL,
    LPCR_ILE,
    LPCR_LD,
    PSSCR,
    PURR_OFFSET,
    SPURR_OFFSET,
    TB_OFFSET,
    VSR,
    VTB_OFFSET,
    Cell,
)
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.layout import Area

KVM_REG_PPC: Final = 0x10 << 56
PREFIX: Final = "KVM_REG_PPC_"


class OneRegError(PapvmmError):
    """KVM answers ``-errno``."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"{errno.errorcode[number]}: {why}")
        self.errno: Final = number


Payload: TypeAlias = tuple[int, ...]
"""A register's value: one number, or for 128 bits two doublewords in their order in memory."""


class Register(Value):
    """A register of ``bits`` (32, 64 or 128)."""

    name: str
    number: int
    bits: int
    get: Callable[[Vcpu], Payload]
    put: Callable[[Vcpu, Payload], None]
    area: Area | None = None

    @property
    def id(self) -> int:
        """The whole id."""
        return KVM_REG_PPC | (self.bits.bit_length() - 4) << 52 | self.number

    @property
    def kvm_name(self) -> str:
        """The id's name in ``uapi/asm/kvm.h``."""
        return PREFIX + self.name


def _area(name: str, number: int, bits: int, kind: Area) -> Register:
    def get(vcpu: Vcpu) -> Payload:
        area = vcpu.areas.area(kind)
        return (area.next_gpa,) if bits == 64 else (area.next_gpa, area.length)

    def put(vcpu: Vcpu, payload: Payload) -> None:
        gpa, length = payload if bits == 128 else (payload[0], 0)
        if vcpu.areas.put(kind, gpa, length):
            raise OneRegError(
                errno.EINVAL,
                f"{name} of vcpu {vcpu.vcpu_id} can't be {', '.join(map(hex, payload))}",
            )

    return Register(name, number, bits, get, put, kind)


def _cell(
    name: str, number: int, bits: int, cell: Cell | None = None, element: int = 0
) -> Register:
    """Make the row of a register that is a cell, by default the one of its name."""
    stored = cell or CELLS[name.lower()]

    def get(vcpu: Vcpu) -> Payload:
        return (vcpu.state.read(stored, element),)

    def put(vcpu: Vcpu, payload: Payload) -> None:
        vcpu.state.write(stored, payload[0], element)

    return Register(name, number, bits, get, put)


def _masked(
    name: str, number: int, bits: int, cell: Cell, writable: Callable[[Vcpu], int]
) -> Register:
    """Make the row of a register of which a VMM sees all and changes the ``writable`` bits."""

    def get(vcpu: Vcpu) -> Payload:
        return (vcpu.state.read(cell) & ones(bits),)

    def put(vcpu: Vcpu, payload: Payload) -> None:
        mine = writable(vcpu) & ones(bits)
        vcpu.state.write(cell, vcpu.state.read(cell) & ~mine | payload[0] & mine)

    return Register(name, number, bits, get, put)


def _running(name: str, number: int, now: Callable[[int], int], offset: Cell) -> Register:
    """Make the row of a counter: ``now`` makes it of virtual time (ns), with an offset."""

    def get(vcpu: Vcpu) -> Payload:
        return ((now(vcpu.own_count) + vcpu.state.read(offset)) & M64,)

    def put(vcpu: Vcpu, payload: Payload) -> None:
        vcpu.state.write(offset, (payload[0] - now(vcpu.own_count)) & M64)

    return Register(name, number, 64, get, put)


def _vsr(name: str, number: int, vsr: int) -> Register:
    """Make the row of a VSR, which a little-endian host stores low doubleword first."""

    def get(vcpu: Vcpu) -> Payload:
        return vcpu.state.read(VSR, 2 * vsr), vcpu.state.read(VSR, 2 * vsr + 1)

    def put(vcpu: Vcpu, payload: Payload) -> None:
        vcpu.state.write(VSR, payload[0], 2 * vsr)
        vcpu.state.write(VSR, payload[1], 2 * vsr + 1)

    return Register(name, number, 128, get, put)


def _get_fpscr(vcpu: Vcpu) -> Payload:
    return (settle(vcpu.state),)


def _put_fpscr(vcpu: Vcpu, payload: Payload) -> None:
    set_fpscr(vcpu.state, payload[0])


def _get_hior(_vcpu: Vcpu) -> Payload:
    return (0,)


def _put_hior(_vcpu: Vcpu, payload: Payload) -> None:
    if payload[0]:
        raise OneRegError(errno.EINVAL, "HIOR can only be 0: interrupt vectors are at 0")


TB_OFFSET_STEP: Final = 1 << 24


def _get_tb_offset(vcpu: Vcpu) -> Payload:
    return (vcpu.state.read(TB_OFFSET),)


def _put_tb_offset(vcpu: Vcpu, payload: Payload) -> None:
    vcpu.state.write(TB_OFFSET, -(-payload[0] // TB_OFFSET_STEP) * TB_OFFSET_STEP & M64)


def _get_arch_compat(vcpu: Vcpu) -> Payload:
    return (vcpu.arch_compat,)


def _put_arch_compat(vcpu: Vcpu, payload: Payload) -> None:
    """Let a vcpu be what it is: no older processor asked for, or its own architecture."""
    if payload[0] not in (0, vcpu.model.arch_compat):
        raise OneRegError(errno.EINVAL, f"a vcpu can't be compatible with {payload[0]:#x}")
    vcpu.arch_compat = payload[0]


def _same(count: int) -> int:
    return count


LPCR_DPFD: Final = 7 << 52
LPCR_TC: Final = 1 << 9
LPCR_WRITABLE: Final = LPCR_DPFD | LPCR_ILE | LPCR_TC | LPCR_AIL
PSSCR_GUEST: Final = 0xF000_0000_0000_03FF
"""The power-saving level status, and what a guest may ask for."""


def _lpcr_writable(vcpu: Vcpu) -> int:
    return LPCR_WRITABLE | (LPCR_LD if vcpu.model.has_large_decrementer else 0)


def _rows() -> Iterator[Register]:
    yield Register("HIOR", 0x01, 64, _get_hior, _put_hior)
    yield _cell("DSCR", 0x09, 64)
    yield _running("PURR", 0x0A, ticks_at, PURR_OFFSET)
    yield _running("SPURR", 0x0B, ticks_at, SPURR_OFFSET)
    yield _cell("DAR", 0x0C, 64)
    yield _cell("DSISR", 0x0D, 32)
    yield _cell("AMR", 0x0E, 64)
    yield _cell("UAMOR", 0x0F, 64)
    yield _cell("MMCR0", 0x10, 64)
    yield _cell("MMCR1", 0x11, 64)
    yield _cell("MMCRA", 0x12, 64)
    yield _cell("MMCR2", 0x13, 64)
    yield _cell("SIAR", 0x15, 64)
    yield _cell("SDAR", 0x16, 64)
    yield _cell("SIER", 0x17, 64)
    for index in range(6):
        yield _cell(f"PMC{index + 1}", 0x18 + index, 32)
    for index in range(32):
        yield _cell(f"FPR{index}", 0x20 + index, 64, VSR, 2 * index + 1)
        yield _vsr(f"VR{index}", 0x40 + index, 32 + index)
        yield _vsr(f"VSR{index}", 0x60 + index, index)
    yield Register("FPSCR", 0x80, 64, _get_fpscr, _put_fpscr)
    yield _cell("VSCR", 0x81, 32)
    yield _area("VPA_ADDR", 0x82, 64, Area.VPA)
    yield _area("VPA_SLB", 0x83, 128, Area.SLB_SHADOW)
    yield _area("VPA_DTL", 0x84, 128, Area.DTL)
    yield Register("TB_OFFSET", 0x9C, 64, _get_tb_offset, _put_tb_offset)
    yield _cell("IAMR", 0x9F, 64)
    yield _cell("FSCR", 0xA3, 64)
    yield _cell("PSPB", 0xA4, 32)
    yield _cell("EBBHR", 0xA5, 64)
    yield _cell("EBBRR", 0xA6, 64)
    yield _cell("BESCR", 0xA7, 64)
    yield _cell("TAR", 0xA8, 64)
    yield _cell("DPDES", 0xA9, 64)
    yield _running("IC", 0xAD, _same, IC_OFFSET)
    yield _running("VTB", 0xAE, ticks_at, VTB_OFFSET)
    yield _cell("PID", 0xB2, 64)
    yield _cell("VRSAVE", 0xB4, 32)
    yield _masked("LPCR", 0xB5, 32, LPCR, _lpcr_writable)
    yield _masked("LPCR_64", 0xB5, 64, LPCR, _lpcr_writable)
    yield _cell("PPR", 0xB6, 64)
    yield Register("ARCH_COMPAT", 0xB7, 32, _get_arch_compat, _put_arch_compat)
    yield _cell("WORT", 0xB9, 64)
    yield _cell("TIDR", 0xBC, 64)
    yield _masked("PSSCR", 0xBD, 64, PSSCR, lambda _: PSSCR_GUEST)
    yield _cell("DEC_EXPIRY", 0xBE, 64)
    yield _cell("MMCR3", 0xC1, 64)
    yield _cell("SIER2", 0xC2, 64)
    yield _cell("SIER3", 0xC3, 64)
    yield _cell("DEXCR", 0xC6, 64)
    yield _cell("HASHKEYR", 0xC7, 64)


REGISTERS: Final[Mapping[int, Register]] = {row.id: row for row in _rows()}
"""By whole id."""
