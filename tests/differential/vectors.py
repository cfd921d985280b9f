"""The shared instruction vectors, for the mnemonics this exemplar defines."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from papvmm.bits import M64
from papvmm.engine.stops import Stop
from papvmm.isa.decode import decode
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, ArchState

PATH = Path(__file__).resolve().parents[3] / "vectors" / "isa-vectors.jsonl.gz"
MSR_USER = 0x8000_0000_0200_6000 | 0x4000 | 0x0080_0000
REGISTERS = {"lr": LR, "ctr": CTR}


def vectors() -> Iterator[dict[str, Any]]:
    with gzip.open(PATH, "rt") as lines:
        for line in lines:
            vector = json.loads(line)
            word = int(vector["insn"], 16)
            if decode(word) is not None and vector.get("exc", {}).get("kind") != "illegal":
                yield vector


def set_up(vector: dict[str, Any], state: ArchState, ram: memoryview) -> None:
    state.buffer[:] = bytes(len(state.buffer)) if not isinstance(state.buffer, bytearray) else b""
    state.write(MSR, MSR_USER)
    state.write(CIA, int(vector["pc"], 16))
    for name, text in vector["in"].items():
        write(state, name, text, ram)
    order = "little" if vector["endian"] == "le" else "big"
    cia = int(vector["pc"], 16)
    ram[cia : cia + 4] = int(vector["insn"], 16).to_bytes(4, order)


def write(state: ArchState, name: str, value: Any, ram: memoryview) -> None:
    if name == "mem":
        data = bytes.fromhex(value["data"])
        address = int(value["addr"], 16)
        ram[address : address + len(data)] = data
    elif name.startswith("gpr"):
        state.write(GPR, int(value, 16), int(name[3:]))
    elif name in ("cr", "xer"):
        setattr(state, name, int(value, 16))
    elif name in REGISTERS:
        state.write(REGISTERS[name], int(value, 16))


def observe(state: ArchState, vector: dict[str, Any], ram: memoryview) -> dict[str, str]:
    seen = {f"gpr{n}": f"{state.read(GPR, n):016x}" for n in range(32)}
    seen |= {"cr": f"{state.cr:08x}", "xer": f"{state.xer:08x}"}
    seen |= {name: f"{state.read(cell):016x}" for name, cell in REGISTERS.items()}
    if "mem" in vector["in"]:
        address = int(vector["in"]["mem"]["addr"], 16)
        length = len(vector["in"]["mem"]["data"]) // 2
        seen["mem"] = ram[address : address + length].hex()
    seen["cia"] = f"{state.read(CIA):016x}"
    return seen


def expected(vector: dict[str, Any], before: dict[str, str]) -> tuple[dict[str, str], Stop]:
    want = dict(before)
    out = vector.get("out", {})
    for name, value in out.items():
        want[name] = value["data"] if name == "mem" else value.rjust(len(before.get(name, "")), "0")
    cia = int(vector["pc"], 16)
    kind = vector.get("exc", {}).get("kind")
    stop = {"trap": Stop.TRAP, "privileged": Stop.PRIVILEGED, None: Stop.BUDGET}[kind]
    if kind is None:
        cia += 12 if vector.get("taken") else 4
    want["cia"] = f"{cia & M64:016x}"
    return want, stop


def masked(seen: dict[str, str], vector: dict[str, Any]) -> dict[str, str]:
    masks = vector.get("mask", {})
    return {
        name: f"{int(text, 16) & int(masks[name], 16):x}"
        if name in masks and name != "mem"
        else text
        for name, text in seen.items()
        if not name.startswith(("vsr", "fpscr"))
    }
