"""Every engine against the shared instruction vectors."""

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from papvmm.engine.python.access import Address
from papvmm.engine.python.traces import Step, compile_trace
from papvmm.isa.decode import decode
from papvmm.isa.ir import Leave
from papvmm.isa.state import CIA
from tools.vectors.check import Checker, Verdict, read_vectors, registers

FILE = Path(__file__).parents[1] / "data" / "isa-vectors.jsonl.gz"
CLASSES = (
    "int", "mem", "memu", "memstr", "memq", "cr", "spr", "br", "brlr", "brctr", "trap", "raw",
    "memf", "memv", "memx", "memxs", "meml", "fp", "fpc", "fpcw", "fpm", "fps", "vi", "vscr",
    "xs", "xsw",
)  # fmt: skip
LATER = ("vmx?",)
"""What is not built yet."""

MNEMONICS = {
    "vand", "vandc", "vor", "vorc", "vxor", "vnor", "vnand", "veqv", "vsel", "vperm", "vpermr",
    "vsldoi", "vspltb", "vsplth", "vspltw", "vspltisb", "vspltish", "vspltisw", "vmrghb",
    "vmrghh", "vmrghw", "vmrglb", "vmrglh", "vmrglw", "vmrgew", "vmrgow", "mfvscr", "vslb",
    "vsrw", "vcmpequb", "vcmpequb.", "vcmpequh", "vcmpequh.", "vbpermq", "vgbbd", "vctzlsbb",
    "xxland", "xxlandc", "xxlor", "xxlorc", "xxlxor", "xxlnor", "xxlnand", "xxleqv", "xxsel",
    "xxperm", "xxpermr", "xxpermdi", "xxsldwi", "xxmrghw", "xxmrglw", "xxspltib", "xxspltw",
    "xxbrd", "xxbrh", "xxbrq", "xxbrw", "xxextractuw", "xxinsertw",
}  # fmt: skip
"""What of class v, vector instructions, must be built."""


def is_due(vector):
    return vector.cls in CLASSES or (vector.cls == "v" and vector.mnemonic in MNEMONICS)


VECTORS = [vector for vector in read_vectors(FILE) if is_due(vector)]


@pytest.fixture(scope="module", params=["python", "native"])
def checker(request):
    return Checker(request.param)


@pytest.mark.parametrize("mnemonic", sorted({vector.mnemonic for vector in VECTORS}))
def test_every_vector_passes(mnemonic, checker):
    expected = Verdict.SKIPPED if mnemonic in LATER else Verdict.PASSED
    results = [checker.check(vector) for vector in VECTORS if vector.mnemonic == mnemonic]

    assert [(result.vector.asm, result.complaints) for result in results if result.complaints] == []
    assert {result.verdict for result in results} == {expected}


def test_a_wrong_expectation_is_found(checker):
    vector = next(vector for vector in VECTORS if vector.mnemonic == "add")
    name, value = next(iter(vector.changes.items()))
    wrong = replace(vector, changes={name: value ^ 1})

    result = checker.check(wrong)

    assert result.verdict is Verdict.FAILED
    assert name in result.complaints[0]


def test_programs_may_use_the_target_address_register_as_under_linux(checker):
    vector = next(vector for vector in VECTORS if vector.mnemonic == "bclr" and vector.taken)
    bctar = vector.word ^ 16 << 1 ^ 560 << 1
    before = vector.before | {"tar": vector.before["lr"]}

    assert checker.check(replace(vector, word=bctar, before=before)).complaints == []


def test_the_tool_counts_and_names_what_failed(tmp_path):
    with gzip.open(FILE, "rt") as lines:
        vectors = {vector["mnem"]: vector for vector in map(json.loads, lines)}
    wrong = vectors["subf"] | {"out": {"gpr1": "123456789abcdef0"}}
    file = tmp_path / "vectors.jsonl"
    file.write_text("\n".join(map(json.dumps, (vectors["add"], wrong, vectors["xvadddp"]))))
    tool = Path(__file__).parents[2] / "tools" / "vectors"

    run = subprocess.run(
        [sys.executable, tool, file, "--accel", "python"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 1
    assert run.stdout.splitlines()[-1] == "1 passed, 1 failed, 1 skipped"
    assert run.stdout.startswith("subf: 1 failed")


def test_hot_code_does_what_the_vectors_say(checker):
    state, memory = checker.engine.state, checker.memory
    complaints = []
    for vector in VECTORS:
        decoded = decode(vector.word)
        if decoded is None:
            continue
        template = decoded.instruction.template(decoded.statics, problem_state=True)
        if isinstance(template.end, Leave):
            continue
        checker.set_up(vector)
        before = registers(state)
        step = Step(vector.pc, vector.word, checker.successor(vector))
        trace = compile_trace(
            [step],
            [(decoded, template)],
            {},
            addressing=Address.REAL,
            little_endian=vector.little_endian,
        )

        stop = trace.function(state.buffer.cast("Q"), state.buffer, memory.ram, memory.code, 1)

        if stop:
            complaints += [] if registers(state) == before else [vector.asm]
        else:
            complaints += checker.compare(vector, before, None, state.read(CIA))
    assert complaints == []
