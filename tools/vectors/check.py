"""Instruction vectors: one instruction each, the state before it and what it changes.

A vector is a JSON object: ``mnem``, ``asm``, ``insn`` (the word, in hex), ``cls``, ``endian``,
``pc``, ``in`` (registers and one window of memory; what is not listed is 0), ``out`` (what
changes; all else stays) or ``exc`` (the interrupt), ``mask`` (bits to compare) and ``taken``.
"""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path

from papvmm.bits import M64, ones
from papvmm.engine.engine import Engine
from papvmm.engine.exits import Breakpoint, BudgetSpent, NotBuilt
from papvmm.errors import BadInput
from papvmm.isa.facilities import Facility
from papvmm.isa.interrupts import (
    PROGRAM_ILLEGAL,
    PROGRAM_PRIVILEGED,
    PROGRAM_TRAP,
    SRR1_CAUSES,
    Interrupt,
)
from papvmm.isa.msr import MSR_FP, MSR_LE, MSR_ME, MSR_PR, MSR_SF, MSR_VEC, MSR_VSX
from papvmm.isa.softfloat.fpscr import EXCEPTIONS, FX
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CELLS, ArchState
from papvmm.machine.engines import make_engines
from papvmm.memory.guest_memory import GuestMemory, OutOfRange
from papvmm.mmu.hash_table import HashTable

RAM = 512 << 20
MSR_USER = MSR_SF | MSR_PR | MSR_ME | MSR_FP | MSR_VEC | MSR_VSX
CAUSES = {
    "illegal": PROGRAM_ILLEGAL,
    "privileged": PROGRAM_PRIVILEGED,
    "trap": PROGRAM_TRAP,
}
BRANCH_DISTANCE = 12

UNCOMPARED = frozenset(
    ("cr", "so", "ov", "ov32", "ca", "ca32", "xer_low", "now", "cia", "msr", "srr0", "srr1",
     "fault_ea", "reserve_ea", "reserve_size", "reserve_value", "reserve_high",
     "fp_kind", "fp_a", "fp_b", "fp_c", "fp_cc")
)  # fmt: skip
"""Cells seen as part of cr and xer, as outcome of the instruction, or not by programs."""


class Verdict(Enum):
    """What became of a vector."""

    PASSED = auto()
    FAILED = auto()
    SKIPPED = auto()


@dataclass(frozen=True, slots=True)
class Vector:
    """One vector; registers by name, values as numbers."""

    mnemonic: str
    asm: str
    cls: str
    word: int
    little_endian: bool
    pc: int
    before: dict[str, int]
    changes: dict[str, int]
    window: tuple[int, bytes] | None
    stored: bytes | None
    masks: dict[str, int]
    interrupt: int | None
    taken: bool


@dataclass(slots=True)
class Result:
    """The verdict on a vector, and for a failed one what was wrong."""

    vector: Vector
    verdict: Verdict
    complaints: list[str] = field(default_factory=list)


def read_vectors(path: Path) -> Iterator[Vector]:
    """Yield the vectors of a file, compressed or not."""
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.isspace():
                continue
            try:
                yield parse(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise BadInput(f"{path}:{number}: not an instruction vector: {error!r}") from error


def parse(fields: dict) -> Vector:
    """Return the vector a JSON object describes."""
    before, changes = dict(fields["in"]), dict(fields.get("out", {}))
    window, stored = before.pop("mem", None), changes.pop("mem", None)
    masks = {name: value for name, value in fields.get("mask", {}).items() if name != "mem"}
    registers_before, register_changes = _numbers(before), _numbers(changes)
    exception = fields.get("exc")
    return Vector(
        mnemonic=fields["mnem"],
        asm=fields["asm"],
        cls=fields["cls"],
        word=int(fields["insn"], 16),
        little_endian=fields["endian"] == "le",
        pc=int(fields["pc"], 16),
        before=registers_before,
        changes=register_changes,
        window=window and (int(window["addr"], 16), bytes.fromhex(window["data"])),
        stored=stored and bytes.fromhex(stored["data"]),
        masks=_without_mistakes(
            fields["mnem"], registers_before, register_changes, _numbers(masks)
        ),
        interrupt=CAUSES[exception["kind"]] if exception else None,
        taken=bool(fields.get("taken")),
    )


def _without_mistakes(
    mnemonic: str, before: dict[str, int], changes: dict[str, int], masks: dict[str, int]
) -> dict[str, int]:
    """Return the masks, without FX where QEMU sets it and the ISA leaves it.

    An operation sets FX if it changes an exception bit from 0 to 1 (Power ISA v3.0B, Book I,
    4.2.2), not if the bit was one already; moves to FPSCR write FX as they write other bits.
    """
    old = before.get("fpscr", 0)
    new = changes.get("fpscr", old)
    if mnemonic.startswith("mt") or not new & ~old & FX or new & ~old & EXCEPTIONS:
        return masks
    return masks | {"fpscr": masks.get("fpscr", M64) & ~FX}


def _numbers(registers: dict[str, str]) -> dict[str, int]:
    return {name: int(value, 16) for name, value in registers.items()}


class Checker:
    """Runs vectors on one engine, in 512 MiB of RAM."""

    def __init__(self, accel: str) -> None:
        self.memory = GuestMemory(RAM)
        self.engine: Engine = make_engines(accel, self.memory, HashTable(), 1, waits=True)[0]
        self.engine.breakpoints.update(Interrupt)
        self._count = 0

    def check(self, vector: Vector) -> Result:
        """Execute the vector's instruction and compare."""
        state = self.engine.state
        try:
            unknown = self.set_up(vector)
        except OutOfRange as error:
            return Result(vector, Verdict.FAILED, [str(error)])
        before = registers(state)
        reason = self.engine.run(1)
        if isinstance(reason, NotBuilt):
            return Result(vector, Verdict.SKIPPED)
        complaints = [f"there is no register {name}" for name in unknown]
        if reason == Breakpoint(Interrupt.PROGRAM):
            cause, cia = state.read(CELLS["srr1"]) & SRR1_CAUSES, state.read(CELLS["srr0"])
        else:
            cause, cia = None, state.read(CELLS["cia"])
            if reason != BudgetSpent():
                complaints.append(f"it stopped with {reason}")
        complaints += self.compare(vector, before, cause, cia)
        return Result(vector, Verdict.FAILED if complaints else Verdict.PASSED, complaints)

    def set_up(self, vector: Vector) -> list[str]:
        """Put the vector's state in place; return the registers that papvmm has not."""
        state = self.engine.state
        state.buffer[:] = bytes(len(state.buffer))
        state.write(CELLS["msr"], MSR_USER | (MSR_LE if vector.little_endian else 0))
        state.write(CELLS["fscr"], Facility.TAR.fscr_bit)
        state.write(CELLS["cia"], vector.pc)
        self._count += 1
        state.write(CELLS["now"], self._count)
        unknown = [name for name, value in vector.before.items() if not write(state, name, value)]
        if vector.window:
            self.memory.write(*vector.window)
        order = "little" if vector.little_endian else "big"
        self.memory.write(vector.pc, vector.word.to_bytes(4, order))
        return unknown

    def successor(self, vector: Vector) -> int:
        """Return where CIA has to be afterwards, or the interrupted instruction."""
        if vector.interrupt:
            return vector.pc
        return vector.pc + (BRANCH_DISTANCE if vector.taken else 4)

    def compare(
        self, vector: Vector, before: dict[str, int], cause: int | None, cia: int
    ) -> Iterator[str]:
        """Yield what differs from what the vector says, one complaint each."""
        seen = registers(self.engine.state)
        for name, value in (before | vector.changes).items():
            if name not in seen:
                yield f"there is no register {name}"
                continue
            mask = vector.masks.get(name, ones(128)) & ones(width(name))
            if (seen[name] ^ value) & mask:
                yield f"{name} is {seen[name]:#x}, should be {value & ones(width(name)):#x}"
        if cause != vector.interrupt:
            yield f"interrupt cause is {cause}, should be {vector.interrupt}"
        successor = self.successor(vector)
        if cia != successor:
            yield f"CIA is {cia:#x}, should be {successor:#x}"
        if vector.window:
            address, old = vector.window
            new = old if vector.stored is None else vector.stored
            memory = self.memory.read(address, len(old))
            if memory != new:
                yield f"memory is {memory.hex()}, should be {new.hex()}"


def write(state: ArchState, name: str, value: int) -> bool:
    """Set a register by its name in vectors; tell whether there is one."""
    if name in ("cr", "xer"):
        setattr(state, name, value)
    elif name.startswith("gpr"):
        state.write(CELLS["gpr"], value, int(name[3:]))
    elif name.startswith("vsr"):
        state.set_vsr(int(name[3:]), value)
    elif name in CELLS:
        state.write(CELLS[name], value)
    else:
        return False
    return True


def registers(state: ArchState) -> dict[str, int]:
    """Return everything a program can see, by the names that vectors use."""
    seen = {f"gpr{n}": state.read(CELLS["gpr"], n) for n in range(33)}
    seen |= {f"vsr{n}": state.vsr(n) for n in range(64)}
    seen |= {"cr": state.cr, "xer": state.xer}
    seen |= {
        name: state.read(cell)
        for name, cell in CELLS.items()
        if cell.count == 1 and name not in UNCOMPARED
    }
    return seen | {"fpscr": settle(state)}


def width(name: str) -> int:
    """Return how many bits a register has: QEMU's VRSAVE has 64, the ISA's 32."""
    if name.startswith("vsr"):
        return 128
    return CELLS[name].width if name in CELLS else 64
