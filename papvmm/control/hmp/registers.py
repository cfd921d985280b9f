"""``info registers``: in QEMU's words and columns, without what a guest has no register for."""

from collections.abc import Iterable, Iterator
from typing import Final

from papvmm.bits import M64, ones
from papvmm.clock import ticks_at
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import (
    CFAR,
    CIA,
    CTR,
    DAR,
    DEC_EXPIRY,
    DSISR,
    GPR,
    LARGE_DECREMENTER,
    LPCR,
    LPCR_LD,
    LR,
    MSR,
    PID,
    PROCESS_TABLE,
    PVR,
    RESERVE_EA,
    RESERVE_SIZE,
    SPRG0,
    SPRG1,
    SPRG2,
    SPRG3,
    SRR0,
    SRR1,
    TB_OFFSET,
    VRSAVE,
    VSR,
    ArchState,
)
from papvmm.vcpu.vcpu import Vcpu

SMALL_DECREMENTER: Final = 32
A_LINE: Final = 4
"""Registers of a file of them in one line."""
_CR_FIELDS: Final = tuple(range(28, -1, -4))


def registers(vcpu: Vcpu) -> str:
    """Return the registers of a vcpu, in lines."""
    return "".join(f"{line}\n" for line in _lines(vcpu))


def _lines(vcpu: Vcpu) -> Iterator[str]:
    state = vcpu.state
    now = ticks_at(vcpu.areas.door.clock.count)
    tb = now + state.read(TB_OFFSET) & M64
    width = LARGE_DECREMENTER if state.read(LPCR) & LPCR_LD else SMALL_DECREMENTER
    decr = state.read(DEC_EXPIRY) - tb & ones(width)
    yield (
        f"NIP {state.read(CIA):016x}   LR {state.read(LR):016x} CTR {state.read(CTR):016x}"
        f" XER {state.xer:016x} CPU#{vcpu.vcpu_id}"
    )
    yield f"MSR {state.read(MSR):016x}"
    yield f"TB {tb >> 32:08x} {tb & ones(32):08x} DECR {decr}"
    yield from _file("GPR", (state.read(GPR, number) for number in range(32)))
    yield f"CR {state.cr:08x}  [{_relations(state.cr)} ]             RES {_reservation(state):016x}"
    yield from _file("FPR", (state.read(VSR, 2 * number + 1) for number in range(32)))
    yield f"FPSCR {settle(state):016x}"
    named = (
        (("SRR0", SRR0), ("SRR1", SRR1), ("PVR", PVR), ("VRSAVE", VRSAVE)),
        (("SPRG0", SPRG0), ("SPRG1", SPRG1), ("SPRG2", SPRG2), ("SPRG3", SPRG3)),
        (("CFAR", CFAR), ("LPCR", LPCR), ("DAR", DAR), ("DSISR", DSISR)),
        (("PID", PID), ("PRTB", PROCESS_TABLE)),
    )
    for row in named:
        yield " ".join(f"{name:>5} {state.read(cell):016x}" for name, cell in row)


def _file(name: str, values: Iterable[int]) -> Iterator[str]:
    words = [f"{value:016x}" for value in values]
    for first in range(0, len(words), A_LINE):
        yield f"{name}{first:02d} {' '.join(words[first : first + A_LINE])}"


def _relations(cr: int) -> str:
    """Return each field of CR as less, greater or equal, and whether there was an overflow."""
    fields = (cr >> shift & 15 for shift in _CR_FIELDS)
    return "".join(f" {_relation(field)}{'O' if field & 1 else ' '}" for field in fields)


def _relation(field: int) -> str:
    for bit, letter in ((8, "L"), (4, "G"), (2, "E")):
        if field & bit:
            return letter
    return "-"


def _reservation(state: ArchState) -> int:
    """Return where the reservation is; QEMU shows all ones if there is none."""
    return state.read(RESERVE_EA) if state.read(RESERVE_SIZE) else M64
