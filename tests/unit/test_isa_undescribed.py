"""Floating point and vector instructions are told from words that are no instruction."""

import gzip
import json
from pathlib import Path

import pytest

from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_FP, MSR_VEC, MSR_VSX
from papvmm.isa.undescribed import Unit, facility_of, undescribed
from papvmm.isa.versions import Isa

VECTORS = Path(__file__).parents[1] / "data" / "isa-vectors.jsonl.gz"
FIXED = ["int", "mem", "memu", "memstr", "memq", "cr", "spr", "br", "brlr", "brctr", "trap", "raw"]
EVERYTHING = MSR_FP | MSR_VEC | MSR_VSX


def test_every_floating_point_and_vector_vector_is_recognised():
    with gzip.open(VECTORS, "rt") as lines:
        vectors = [json.loads(line) for line in lines]

    unknown = {
        vector["mnem"]
        for vector in vectors
        if vector["cls"] not in FIXED and facility_of(int(vector["insn"], 16), Isa.V3_0) is None
    }

    assert not unknown


def test_no_fixed_point_vector_is_taken_for_another():
    with gzip.open(VECTORS, "rt") as lines:
        vectors = [json.loads(line) for line in lines]

    taken = {
        vector["mnem"]
        for vector in vectors
        if vector["cls"] in FIXED and facility_of(int(vector["insn"], 16), Isa.V3_0) is not None
    }

    assert taken == {"vmx?", "vsx?"}


@pytest.mark.parametrize(
    ("word", "unit"),
    [
        (0xFC22182A, Unit.FP),  # fadd 1,2,3
        (0xC8230000, Unit.FP),  # lfd 1,0(3)
        (0xFC20048E, Unit.FP),  # mffs 1
        (0x10222438, None),  # no VA form 56
        (0x10222404, Unit.VECTOR),  # vand 1,2,4
        (0x7C2118CE, Unit.VECTOR),  # lvx 1,1,3
        (0xF0421496, Unit.VSX),  # xxlxor 2,2,2
        (0xF4230001, Unit.VSX),  # lxv 1,0(3)
        (0xF4230009, Unit.VECTOR),  # lxv 33,0(3)
        (0x7C230066, Unit.FP),  # mfvsrd 3,1
        (0x7C230067, Unit.VECTOR),  # mfvsrd 3,33
        (0xEC00000F, None),
        (0x12345678, None),
        (0x00000200, None),  # attn
    ],
)
def test_the_unit_an_instruction_needs(word, unit):
    assert facility_of(word, Isa.V3_0) == unit


@pytest.mark.parametrize(
    ("word", "msr", "comes_to"),
    [
        (0xFC22182A, 0, Exit.FP_UNAVAILABLE),
        (0x10222404, MSR_FP, Exit.VECTOR_UNAVAILABLE),
        (0xF0421496, MSR_FP | MSR_VEC, Exit.VSX_UNAVAILABLE),
        (0xFC22182A, MSR_FP, Exit.NOT_BUILT),
        (0x12345678, 0, Exit.ILLEGAL),
        (0x12345678, EVERYTHING, Exit.ILLEGAL),
    ],
)
def test_what_it_comes_to_depends_on_the_msr(word, msr, comes_to):
    assert undescribed(word, msr, Isa.V3_0) is comes_to
