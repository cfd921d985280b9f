"""The shared instruction vectors, for the mnemonics that are built."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papvmm.bits import M64
from papvmm.engine.engine import Engine
from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.isa.decode import decode
from papvmm.isa.interrupts import (
    PROGRAM_ILLEGAL,
    PROGRAM_PRIVILEGED,
    PROGRAM_TRAP,
    SRR1_CAUSES,
    Interrupt,
)
from papvmm.isa.msr import MSR_FP, MSR_LE, MSR_ME, MSR_PR, MSR_SF, MSR_VEC, MSR_VSX
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, SRR0, SRR1, VRSAVE, ArchState
from papvmm.memory.guest_memory import GuestMemory

PATH = Path(__file__).resolve().parents[1] / "data" / "isa-vectors.jsonl.gz"
MSR_USER = MSR_SF | MSR_PR | MSR_ME | MSR_FP | MSR_VEC | MSR_VSX
REGISTERS = {"lr": LR, "ctr": CTR, "vrsave": VRSAVE}
CAUSES = {
    "illegal": PROGRAM_ILLEGAL,
    "privileged": PROGRAM_PRIVILEGED,
    "trap": PROGRAM_TRAP,
}


def vectors() -> Iterator[dict[str, Any]]:
    with gzip.open(PATH, "rt") as lines:
        for line in lines:
            vector = json.loads(line)
            if decode(int(vector["insn"], 16)) is not None:
                yield vector


def outcome(vector: dict[str, Any], processor: Engine, memory: GuestMemory) -> Any:
    """Execute the vector's instruction; return what can be seen, and why it stopped."""
    state = processor.state
    processor.breakpoints.update(Interrupt)
    set_up(vector, state, memory)
    reason = processor.run(1)
    seen = observe(state, vector, memory)
    if reason == Breakpoint(Interrupt.PROGRAM):
        seen["cia"] = f"{state.read(SRR0):016x}"
        return seen, state.read(SRR1) & SRR1_CAUSES
    return seen, None if reason == BudgetSpent() else reason


def set_up(vector: dict[str, Any], state: ArchState, memory: GuestMemory) -> None:
    state.buffer[:] = bytes(len(state.buffer))
    little_endian = vector["endian"] == "le"
    state.write(MSR, MSR_USER | (MSR_LE if little_endian else 0))
    cia = int(vector["pc"], 16)
    state.write(CIA, cia)
    for name, value in vector["in"].items():
        write(state, name, value, memory)
    memory.write(cia, int(vector["insn"], 16).to_bytes(4, "little" if little_endian else "big"))


def write(state: ArchState, name: str, value: Any, memory: GuestMemory) -> None:
    if name == "mem":
        memory.write(int(value["addr"], 16), bytes.fromhex(value["data"]))
    elif name.startswith("gpr"):
        state.write(GPR, int(value, 16), int(name[3:]))
    elif name in ("cr", "xer"):
        setattr(state, name, int(value, 16))
    elif name in REGISTERS:
        state.write(REGISTERS[name], int(value, 16))


def observe(state: ArchState, vector: dict[str, Any], memory: GuestMemory) -> dict[str, str]:
    seen = {f"gpr{n}": f"{state.read(GPR, n):016x}" for n in range(32)}
    seen |= {"cr": f"{state.cr:08x}", "xer": f"{state.xer:08x}"}
    seen |= {name: f"{state.read(cell):0{cell.width // 4}x}" for name, cell in REGISTERS.items()}
    if "mem" in vector["in"]:
        address = int(vector["in"]["mem"]["addr"], 16)
        length = len(vector["in"]["mem"]["data"]) // 2
        seen["mem"] = memory.read(address, length).hex()
    seen["cia"] = f"{state.read(CIA):016x}"
    return seen


def expected(vector: dict[str, Any], before: dict[str, str]) -> tuple[dict[str, str], int | None]:
    want = dict(before)
    for name, value in vector.get("out", {}).items():
        want[name] = value["data"] if name == "mem" else _digits(value, len(before.get(name, "")))
    cia = int(vector["pc"], 16)
    kind = vector.get("exc", {}).get("kind")
    if kind is None:
        cia += 12 if vector.get("taken") else 4
    want["cia"] = f"{cia & M64:016x}"
    return want, CAUSES.get(kind)


def _digits(value: str, count: int) -> str:
    """Return as many digits as the register has: QEMU's VRSAVE has 64 bits, the ISA's 32."""
    return value.rjust(count, "0")[-count:]


def masked(seen: dict[str, str], vector: dict[str, Any]) -> dict[str, str]:
    masks = vector.get("mask", {})
    return {
        name: f"{int(text, 16) & int(masks[name], 16):x}"
        if name in masks and name != "mem"
        else text
        for name, text in seen.items()
        if not name.startswith(("vsr", "fpscr"))
    }
