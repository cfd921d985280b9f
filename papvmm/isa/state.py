"""Architected state as named cells in one flat buffer, shared by every engine.

A cell has a *value* width (what the semantics see) and a storage size. CR is 32 cells of
one bit, XER is split into its bits: an instruction touches exactly what it changes.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from papvmm.bits import ones
from papvmm.isa.sprs import STORED


class Cell:
    """A register, or an array of ``count`` registers, at ``offset`` in the state buffer."""

    __slots__ = ("count", "name", "offset", "width")

    def __init__(self, name: str, width: int, offset: int, count: int = 1) -> None:
        self.name: Final = name
        self.width: Final = width
        self.offset: Final = offset
        self.count: Final = count

    def __repr__(self) -> str:
        return self.name

    @property
    def size(self) -> int:
        """Bytes of storage for one element: one if it has up to eight bits, else eight."""
        return 8 if self.width > 8 else 1

    @property
    def place(self) -> int:
        """Index of the first element, for those who read and write the buffer themselves."""
        return self.offset // self.size

    def at(self, index: int) -> int:
        """Return the offset of one element in the state buffer."""
        return self.offset + self.size * index


def _layout(cells: Iterable[tuple[str, int, int]]) -> Iterator[Cell]:
    offset = 0
    for name, width, count in cells:
        cell = Cell(name, width, offset, count)
        yield cell
        offset += cell.size * count


ZERO_GPR: Final = 32
"""The element of GPR that always holds 0: what (RA|0) names when RA is 0."""

CELLS: Final = {
    cell.name: cell
    for cell in _layout(
        (
            ("gpr", 64, 33), ("cia", 64, 1), ("msr", 64, 1), ("xer_low", 64, 1), ("now", 64, 1),
            ("reserve_ea", 64, 1), ("reserve_value", 64, 1), ("reserve_high", 64, 1),
            ("fault_ea", 64, 1), ("dec_expiry", 64, 1), ("tb_offset", 64, 1),
            ("purr_offset", 64, 1), ("spurr_offset", 64, 1), ("vtb_offset", 64, 1),
            ("ic_offset", 64, 1), ("lpcr", 64, 1), ("process_table", 64, 1),
            ("darn_seed", 64, 1), ("darn_count", 64, 1),
            *((name.lower(), width, 1) for name, width in STORED.items()),
            ("fpscr", 64, 1), ("vscr", 32, 1), ("vsr", 64, 128),
            ("slb_esid", 64, 32), ("slb_vsid", 64, 32),
            ("fp_a", 64, 1), ("fp_b", 64, 1), ("fp_c", 64, 1),
            ("cr", 1, 32), ("so", 1, 1), ("ov", 1, 1), ("ov32", 1, 1),
            ("ca", 1, 1), ("ca32", 1, 1), ("reserve_size", 8, 1), ("external", 1, 1),
            ("fp_kind", 8, 1), ("fp_cc", 8, 1),
        )
    )
}  # fmt: skip
GPR: Final = CELLS["gpr"]
CIA: Final = CELLS["cia"]
MSR: Final = CELLS["msr"]
XER_LOW: Final = CELLS["xer_low"]
NOW: Final = CELLS["now"]
"""Machine-wide virtual time in ns: each instruction completed adds one, idle time the rest."""
CR: Final = CELLS["cr"]
SO: Final = CELLS["so"]
OV: Final = CELLS["ov"]
OV32: Final = CELLS["ov32"]
CA: Final = CELLS["ca"]
CA32: Final = CELLS["ca32"]
FPSCR: Final = CELLS["fpscr"]
"""To be read by ``softfloat.record.settle``: until then the cells below say more."""
FP_KIND: Final = CELLS["fp_kind"]
FP_A: Final = CELLS["fp_a"]
FP_B: Final = CELLS["fp_b"]
FP_C: Final = CELLS["fp_c"]
"""The operation, and its operands, whose FR, FI and FPRF are not in FPSCR yet; 0: there is none."""
FP_CC: Final = CELLS["fp_cc"]
"""The FPCC of a comparison after that, or 0."""
VSCR: Final = CELLS["vscr"]
VSR: Final = CELLS["vsr"]
"""VSR n: its low doubleword is element 2n, its high one, FPR n if n < 32, element 2n + 1."""
RESERVE_EA: Final = CELLS["reserve_ea"]
RESERVE_SIZE: Final = CELLS["reserve_size"]
"""Bytes the reservation covers: 1, 2, 4, 8 or 16; 0 if there is none."""
RESERVE_VALUE: Final = CELLS["reserve_value"]
RESERVE_HIGH: Final = CELLS["reserve_high"]
"""What the reserved storage held; the high doubleword of a quadword."""
FAULT_EA: Final = CELLS["fault_ea"]
"""The effective address of the access that stopped an instruction."""
EXTERNAL: Final = CELLS["external"]
"""One while the external interrupt input is active."""
LPCR: Final = CELLS["lpcr"]
LPCR_LD: Final = 1 << 17
"""Large decrementer."""
LARGE_DECREMENTER: Final = 56
"""Bits of POWER9's decrementer while LPCR[LD] is one; 32 otherwise."""
LPCR_AIL: Final = 3 << 23
"""Where interrupts go that are taken with translation on."""
LPCR_ILE: Final = 1 << 25
"""Interrupts are taken in little-endian mode."""
LPCR_UPRT: Final = 1 << 22
LPCR_HR: Final = 1 << 20
"""Translation is by process tables, and by radix trees."""
LPCR_GTSE: Final = 1 << 10
"""The guest may invalidate translations itself."""
PROCESS_TABLE: Final = CELLS["process_table"]
"""The second doubleword of the partition's table entry: where the process table is."""
SLB_ESID: Final = CELLS["slb_esid"]
SLB_VSID: Final = CELLS["slb_vsid"]
"""The entries of the segment lookaside buffer: see ``isa/slb.py``."""
DEC_EXPIRY: Final = CELLS["dec_expiry"]
"""The time base, as the guest reads it, at which its decrementer is 0."""
TB_OFFSET: Final = CELLS["tb_offset"]
PURR_OFFSET: Final = CELLS["purr_offset"]
SPURR_OFFSET: Final = CELLS["spurr_offset"]
VTB_OFFSET: Final = CELLS["vtb_offset"]
"""Ticks to add to ``clock.ticks_at(NOW)`` for the time base, PURR, SPURR and VTB."""
IC_OFFSET: Final = CELLS["ic_offset"]
"""What to add to NOW for the instruction count register."""
DARN_SEED: Final = CELLS["darn_seed"]
DARN_COUNT: Final = CELLS["darn_count"]
"""The counter-based generator behind darn: the n-th number follows from seed and n."""

DSCR: Final = CELLS["dscr"]
LR: Final = CELLS["lr"]
CTR: Final = CELLS["ctr"]
AMR: Final = CELLS["amr"]
DSISR: Final = CELLS["dsisr"]
DAR: Final = CELLS["dar"]
SRR0: Final = CELLS["srr0"]
SRR1: Final = CELLS["srr1"]
CFAR: Final = CELLS["cfar"]
PID: Final = CELLS["pid"]
IAMR: Final = CELLS["iamr"]
CTRL: Final = CELLS["ctrl"]
TIDR: Final = CELLS["tidr"]
FSCR: Final = CELLS["fscr"]
UAMOR: Final = CELLS["uamor"]
PSPB: Final = CELLS["pspb"]
DPDES: Final = CELLS["dpdes"]
VRSAVE: Final = CELLS["vrsave"]
SPRG3: Final = CELLS["sprg3"]
SPRG0: Final = CELLS["sprg0"]
SPRG1: Final = CELLS["sprg1"]
SPRG2: Final = CELLS["sprg2"]
CIR: Final = CELLS["cir"]
PVR: Final = CELLS["pvr"]
TIR: Final = CELLS["tir"]
SIER: Final = CELLS["sier"]
MMCR2: Final = CELLS["mmcr2"]
MMCRA: Final = CELLS["mmcra"]
PMC1: Final = CELLS["pmc1"]
PMC2: Final = CELLS["pmc2"]
PMC3: Final = CELLS["pmc3"]
PMC4: Final = CELLS["pmc4"]
PMC5: Final = CELLS["pmc5"]
PMC6: Final = CELLS["pmc6"]
MMCR0: Final = CELLS["mmcr0"]
SIAR: Final = CELLS["siar"]
SDAR: Final = CELLS["sdar"]
MMCR1: Final = CELLS["mmcr1"]
EBBHR: Final = CELLS["ebbhr"]
EBBRR: Final = CELLS["ebbrr"]
BESCR: Final = CELLS["bescr"]
TAR: Final = CELLS["tar"]
PSSCR: Final = CELLS["psscr"]
WORT: Final = CELLS["wort"]
PPR: Final = CELLS["ppr"]
PIR: Final = CELLS["pir"]

STATE_SIZE: Final = sum(cell.size * cell.count for cell in CELLS.values()) + 15 & -16

XER_BITS: Final = ((SO, 32), (OV, 33), (CA, 34), (OV32, 44), (CA32, 45))
"""The XER bits that are cells of their own, by MSB-0 number; the low 18 bits are ``XER_LOW``."""


class ArchState:
    """The registers of one vcpu, as a view of a buffer an engine may also hold.

    ``doublewords`` is the same buffer, for cells of eight bytes.
    """

    __slots__ = ("buffer", "doublewords")

    def __init__(self, buffer: memoryview | None = None) -> None:
        self.buffer: Final = memoryview(bytearray(STATE_SIZE)) if buffer is None else buffer
        self.doublewords: Final = self.buffer.cast("Q")

    def read(self, cell: Cell, index: int = 0) -> int:
        """Return the value of one cell."""
        if cell.width > 8:
            return self.doublewords[(cell.offset >> 3) + index]
        return self.buffer[cell.offset + index]

    def write(self, cell: Cell, value: int, index: int = 0) -> None:
        """Set the value of one cell."""
        if cell.width > 8:
            self.doublewords[(cell.offset >> 3) + index] = value & (1 << cell.width) - 1
        else:
            self.buffer[cell.offset + index] = value & (1 << cell.width) - 1

    def vsr(self, number: int) -> int:
        """Return a VSR, 128 bits; VR n is VSR n + 32."""
        return self.read(VSR, 2 * number + 1) << 64 | self.read(VSR, 2 * number)

    def set_vsr(self, number: int, value: int) -> None:
        """Set a VSR."""
        self.write(VSR, value >> 64, 2 * number + 1)
        self.write(VSR, value, 2 * number)

    @property
    def cr(self) -> int:
        """The condition register as the 32-bit word mfcr returns."""
        bits = self.buffer[CR.offset : CR.offset + CR.count]
        return int(bits.hex()[1::2], 2)

    @cr.setter
    def cr(self, word: int) -> None:
        bits = bytes(map(int, f"{word & ones(CR.count):032b}"))
        self.buffer[CR.offset : CR.offset + CR.count] = bits

    @property
    def xer(self) -> int:
        """The fixed-point exception register as mfspr returns it."""
        return self.read(XER_LOW) | sum(self.read(cell) << (63 - bit) for cell, bit in XER_BITS)

    @xer.setter
    def xer(self, word: int) -> None:
        self.write(XER_LOW, word & ones(18))
        for cell, bit in XER_BITS:
            self.write(cell, word >> (63 - bit))
