"""Random vector integer operations, in QEMU's user mode and here: the same results and VSCR."""

import random
import shutil
import struct
from dataclasses import dataclass

import pytest

from papvmm.engine.exits import Breakpoint
from papvmm.isa.encode import assemble_program, encode
from papvmm.isa.instruction import Instruction
from papvmm.isa.msr import MSR_PR, MSR_VEC
from papvmm.isa.operands import RA, RT, Kind, Operand
from papvmm.isa.spec import vectorarith, vectorinteger
from tests.differential.qemu_user import CODE, END, INPUT, OUTPUT, on_qemu
from tests.programs import HOT, NATIVE, REGIONS, Program

CASES = 6000
TARGET, SOURCES = 3, (1, 2)
INDEX, GPR_TARGET = 4, 5
VECTORS = 4
"""v1, v2, v3 and VSCR."""
STEP = 16 * VECTORS + 16
"""Bytes of a case: the vectors, then a GPR and CR."""


@dataclass
class Case:
    """An instruction, and what it starts from: vectors, a GPR and CR."""

    instruction: Instruction
    word: int
    data: bytes


def any_vector(draw: random.Random) -> bytes:
    """Return a vector; its elements are often equal, near each other or near an end."""
    size = draw.choice((1, 2, 4, 8, 16))
    middle = draw.choice((0, 1 << 8 * size - 1, (1 << 8 * size) - 1, draw.getrandbits(8 * size)))
    few = [(middle + draw.randrange(-2, 3)) % (1 << 8 * size) for _ in range(2)]
    if draw.random() < 0.4:
        few = [draw.getrandbits(8 * size) for _ in range(16)]
    return b"".join(draw.choice(few).to_bytes(size) for _ in range(16 // size))


def any_number(draw: random.Random, operand: Operand) -> int:
    if operand is RT:
        return GPR_TARGET
    if operand is RA:
        return INDEX
    if operand.kind is Kind.VR:
        return TARGET if operand.name == "VRT" else draw.choice(SOURCES)
    return draw.choice(operand.values) if operand.kind is Kind.STATIC else 0


def last_index(mnemonic: str) -> int:
    """Return the last element an extract can name; beyond, the result is undefined."""
    return {"b": 15, "h": 14, "w": 12}.get(mnemonic[5:6], 0) if "vextu" in mnemonic else 15


def any_case(draw: random.Random, instruction: Instruction) -> Case:
    numbers = {o: any_number(draw, o) for o in (*instruction.operands, *instruction.statics)}
    statics = tuple(numbers[operand] for operand in instruction.statics)
    word = encode(instruction, statics, *(numbers[o] for o in instruction.operands))
    vectors = [any_vector(draw) for _ in range(3)]
    if instruction.mnemonic in ("vsl", "vsr"):
        # Undefined unless all bytes agree about the bits.
        vectors[1] = vectors[0] = bytes([draw.getrandbits(8)] * 16)
    index = draw.randrange(last_index(instruction.mnemonic) + 1)
    return Case(
        instruction, word, b"".join(vectors) + bytes(16) + struct.pack("=QQ", index, 0)
    )  # fmt: skip


def all_cases() -> list[Case]:
    draw = random.Random(20261125)
    pool = [one for s in (vectorarith, vectorinteger) for one in s.section.instructions]
    return [any_case(draw, one) for one in draw.choices(pool, k=CASES)]


def program(cases: list[Case]) -> list[int]:
    """Return code that works through the cases, then writes the results and exits."""
    loads = [f"li 9,{16 * (n - 1)}; lvx {n},30,9" for n in (1, 2, 3)]
    before = assemble_program(
        "\n".join((*loads, "li 9,48; lvx 0,30,9; mtvscr 0", "ld 4,64(30); ld 9,72(30)",
                   "mtcrf 255,9; li 5,0"))
    )  # fmt: skip
    after = assemble_program(
        "\n".join((*(line.replace("lvx", "stvx").replace("30", "29") for line in loads),
                   "mfvscr 0; li 9,48; stvx 0,29,9; std 5,64(29); mfcr 9; std 9,72(29)",
                   f"addi 30,30,{STEP}; addi 29,29,{STEP}"))
    )  # fmt: skip
    start = f"lis 30,{INPUT >> 16}; lis 29,{OUTPUT >> 16}"
    length = len(cases) * STEP
    end = f"li 0,4; li 3,1; lis 4,{OUTPUT >> 16}; lis 5,{length >> 16}; ori 5,5,{length & 0xFFFF}"
    body = [word for case in cases for word in (*before, case.word, *after)]
    return [
        *assemble_program(start), *body, *assemble_program(f"{end}; sc; li 0,1; li 3,0; sc"),
    ]  # fmt: skip


def here(code: bytes, data: bytes, hot, *, little_endian: bool) -> bytes:
    machine = Program(
        "", ram=END, msr=MSR_PR | MSR_VEC, at=CODE, little_endian=little_endian, hot=hot
    )
    machine.memory.write(CODE, code)
    machine.memory.write(INPUT, data)
    machine.processor.breakpoints.update((0x600, 0x700, 0xC00))

    assert machine.run(10_000_000) == Breakpoint(0xC00)
    return machine.memory.read(OUTPUT, len(data))


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.skipif(shutil.which("qemu-ppc64") is None, reason="qemu-ppc64 is not installed")
@pytest.mark.parametrize("hot", [HOT, NATIVE, REGIONS])
@pytest.mark.parametrize("little_endian", [False, True])
def test_random_vectors_are_what_they_are_on_qemu(little_endian, hot, tmp_path):
    cases = all_cases()
    order = "<" if little_endian else ">"
    code = struct.pack(f"{order}{len(words := program(cases))}I", *words)
    data = b"".join(case.data for case in cases)

    theirs = on_qemu(code, data, tmp_path, little_endian=little_endian)
    ours = here(code, data, hot, little_endian=little_endian)

    for number, case in enumerate(cases):
        seen = [
            results[STEP * number : STEP * (number + 1)].hex(" ", 16) for results in (ours, theirs)
        ]
        assert seen[0] == seen[1], (case.instruction.mnemonic, case.data.hex(" ", 16))
