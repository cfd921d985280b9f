"""The assembler against LLVM's and binutils' words, the vectors' and Capstone's text."""

import gzip
import json
import re
from pathlib import Path

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.isa.decode import lookup
from papvmm.isa.disasm import disassemble
from papvmm.isa.encode import assemble, encode
from papvmm.isa.operands import BH, BO, FXM1, SPR, Kind, Operand
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.sprs import SPRS
from tests.strategies import operand_numbers

VECTORS = Path(__file__).parents[1] / "data" / "isa-vectors.jsonl.gz"
FIXED = ["int", "mem", "memu", "memstr", "memq", "cr", "spr", "br", "brlr", "brctr", "trap"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("nop", 0x60000000),
        ("xnop", 0x68000000),
        ("li 3,-1", 0x3860FFFF),
        ("lis 3,-32768", 0x3C608000),
        ("la 3,-8(4)", 0x3864FFF8),
        ("subi 3,4,16", 0x3864FFF0),
        ("subis 3,4,1", 0x3C64FFFF),
        ("subic. 3,4,1", 0x3464FFFF),
        ("sub. 3,4,5", 0x7C652051),
        ("subc 3,4,5", 0x7C652010),
        ("lnia 3", 0x4C600004),
        ("mr 9,3", 0x7C691B78),
        ("mr. 9,3", 0x7C691B79),
        ("not 9,3", 0x7C6918F8),
        ("crset 9", 0x4D294A42),
        ("crclr 9", 0x4D294982),
        ("crmove 9,10", 0x4D2A5382),
        ("crnot 9,10", 0x4D2A5042),
        ("mtcr 5", 0x7CAFF120),
        ("isellt 3,4,5", 0x7C64281E),
        ("iselgt 3,4,5", 0x7C64285E),
        ("iseleq 3,4,5", 0x7C64289E),
        ("cmpd 3,4", 0x7C232000),
        ("cmpwi cr7,3,-1", 0x2F83FFFF),
        ("cmpld cr2,3,4", 0x7D232040),
        ("cmplwi 3,65535", 0x2803FFFF),
        ("extlwi 3,4,8,16", 0x5483800E),
        ("extrwi 3,4,8,16", 0x5483C63E),
        ("inslwi 3,4,8,16", 0x5083842E),
        ("insrwi 3,4,8,16", 0x5083442E),
        ("rotlwi 3,4,8", 0x5483403E),
        ("rotrwi 3,4,8", 0x5483C03E),
        ("rotlw 3,4,5", 0x5C83283E),
        ("slwi 3,4,8", 0x5483402E),
        ("srwi. 3,4,8", 0x5483C23F),
        ("clrlwi 3,4,8", 0x5483023E),
        ("clrrwi 3,4,8", 0x5483002E),
        ("clrlslwi 3,4,16,8", 0x5483422E),
        ("extldi 3,4,8,16", 0x788381C4),
        ("extrdi 3,4,8,16", 0x7883C620),
        ("insrdi 3,4,8,16", 0x7883440E),
        ("rotldi 3,4,8", 0x78834000),
        ("rotrdi 3,4,8", 0x7883C002),
        ("rotld 3,4,5", 0x78832810),
        ("sldi 5,5,32", 0x78A507C6),
        ("srdi 6,9,7", 0x7926C9C2),
        ("clrldi 3,4,8", 0x78830200),
        ("clrrdi 3,4,8", 0x788305E4),
        ("clrlsldi 3,4,16,8", 0x78834208),
        ("trap", 0x7FE00008),
        ("twlge 3,4", 0x7CA32008),
        ("tdnei 3,5", 0x0B030005),
        ("tweqi 3,5", 0x0C830005),
        ("hwsync", 0x7C0004AC),
        ("lwsync", 0x7C2004AC),
        ("ptesync", 0x7C4004AC),
        ("mftb 3", 0x7C6C42A6),
        ("mtsprg 2,4", 0x7C9243A6),
        ("mfsrr1 5", 0x7CBB02A6),
        ("mtdec 6", 0x7CD603A6),
        ("mtlr 7", 0x7CE803A6),
        ("mfxer 8", 0x7D0102A6),
        ("mtctr 3", 0x7C6903A6),
        ("mfpvr 3", 0x7C7F42A6),
        ("blr", 0x4E800020),
        ("bctr", 0x4E800420),
        ("bctrl", 0x4E800421),
        ("beq .+64", 0x41820040),
        ("bne cr3,.+64", 0x408E0040),
        ("bge- .+64", 0x40C00040),
        ("blt+ cr1,.+64", 0x41E40040),
        ("bgtl .+64", 0x41810041),
        ("bdnz .-16", 0x4200FFF0),
        ("bdz .+64", 0x42400040),
        ("bdnz+ .+64", 0x43200040),
        ("bdnzt 11,.+64", 0x410B0040),
        ("bf 11,.+64", 0x408B0040),
        ("bnelr", 0x4C820020),
        ("beqlr+ 2", 0x4DEA0020),
        ("bltctr 2", 0x4D880420),
        ("bdnzlr", 0x4E000020),
        ("b .+8", 0x48000008),
        ("bl .-8", 0x4BFFFFF9),
        ("stdu 1,-48(1)", 0xF821FFD1),
        ("crand 4*cr1+eq,lt,so", 0x4CC01A02),
        ("lwarx 3,0,4", 0x7C602028),
        ("ldarx 3,4,5,1", 0x7C6428A9),
        ("mtmsrd 3,1", 0x7C610164),
        ("sc 1", 0x44000022),
    ],
)
def test_an_extended_mnemonic_is_the_word_that_llvm_makes_of_it(text, word):
    assert assemble(text) == word


def test_the_text_of_every_vector_is_its_word():
    with gzip.open(VECTORS, "rt") as lines:
        vectors = [vector for vector in map(json.loads, lines) if vector["cls"] in FIXED]

    different = [v["asm"] for v in vectors if assemble(v["asm"]) != int(v["insn"], 16)]

    assert different == []


# What Capstone prints, our assembler reads as the same word, where Capstone is right.

CIA = 0x1000_0000
PRINTER = capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | capstone.CS_MODE_BIG_ENDIAN)
USUAL = {
    BO: (4, 6, 7, 12, 14, 15),
    FXM1: tuple(1 << bit for bit in range(8)),
    SPR: tuple(SPRS),
}
"""Capstone misprints others: branches that count, FXM with several bits, SPRs it knows not."""
CAPSTONE_DIFFERS = (
    "addpcis",
    "cpabort",
    "wait",
    "copy",
    "paste.",
    "tcheck",
    "mftb",
    "tabortwci.",
    "tabortdci.",
)
"""An unsigned displacement; names and operands of earlier versions
of the ISA; one text for two encodings."""
PRINTED = [
    instruction for instruction in INSTRUCTIONS if instruction.mnemonic not in CAPSTONE_DIFFERS
]


def usual_numbers(operand: Operand) -> st.SearchStrategy[int]:
    if operand is BH:
        return st.just(0)
    return st.sampled_from(USUAL[operand]) if operand in USUAL else operand_numbers(operand)


@st.composite
def words(draw):
    instruction = draw(st.sampled_from(PRINTED))
    numbers = {
        operand: draw(usual_numbers(operand))
        for operand in {*instruction.operands, *instruction.statics}
    }
    statics = (numbers[operand] for operand in instruction.statics)
    return encode(instruction, tuple(statics), *(numbers[o] for o in instruction.operands))


def of_capstone(word: int) -> str | None:
    """Return Capstone's text, the target of a relative branch relative; bc to itself lacks it."""
    for instruction in PRINTER.disasm(word.to_bytes(4), CIA):
        if word >> 26 == 16 and not instruction.op_str:
            return None
        target = re.search(r"-?(0x)?[0-9a-f]+$", instruction.op_str)
        if word >> 26 in (16, 18) and target:
            number = int(target[0], 0)
            number -= 1 << 64 if number >> 63 else 0
            number -= 0 if word & 2 else CIA
            return f"{instruction.mnemonic} {instruction.op_str[: target.start()]}{number}"
        return f"{instruction.mnemonic} {vsrs_named(word, instruction.op_str)}"
    return None


def vsrs_named(word: int, operands: str) -> str:
    """Capstone calls VSR 32 and above v0 and above, also where an operand is a VSR."""
    if all(operand.kind is not Kind.VSR for operand in lookup(word).operands):
        return operands
    return re.sub(r"\bv(\d+)", lambda vr: f"vs{32 + int(vr[1])}", operands)


@settings(max_examples=500, deadline=None)
@given(words())
def test_capstones_text_is_the_same_word(word):
    text = of_capstone(word)

    assert text is None or assemble(text) == word


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (0x7C7A03A6, "mtsrr0 r3"),
        (0x7C9602A6, "mfdec r4"),
        (0x429F0005, "bcl 20,31,4"),
        (0x40800000, "bc 4,0,0"),
        (0x7C632378, "or r3, r3, r4"),
        (0xF16E5496, "xxlor vs11, vs46, vs42"),
        (0x10222404, "vand v1, v2, v4"),
        (0xE0830010, "lq 4,16(3)"),
        (0x12345678, ".long 0x12345678"),
    ],
)
def test_words_are_printed_for_people(word, text):
    assert disassemble(word) == text
