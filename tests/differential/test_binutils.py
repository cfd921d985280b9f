"""Which words are instructions: our tables against binutils' for POWER9, as gdb has them."""

import re
import shutil
import struct
import subprocess
from itertools import product

import pytest

from papvmm.isa.decode import decode
from papvmm.isa.processors import cpu_model
from papvmm.isa.undescribed import facility_of
from papvmm.isa.versions import Isa

GDB = shutil.which("gdb-multiarch")
TEXT = 0x10000
EXTENDED_BITS = {4: 11, 19: 11, 31: 11, 57: 3, 58: 3, 59: 11, 60: 11, 61: 3, 62: 3, 63: 11}
"""Bits at the end of a word that tell the instructions of a primary opcode apart."""

NOT_OF_A_SERVER = {
    "eciwx", "ecowx", "icswx", "icswx.", "pbt.", "dcbi", "tlbia", "tlbld", "tlbli", "mtsle",
    "rfi", "rmieg", "msgsndu", "msgclru", "slbiag", "urfid", "waitasec",
}  # fmt: skip
"""What binutils knows whatever the processor, or since version 3.0C of the ISA."""

NOT_OFFERED = {
    Isa.V2_07: {"vabsdub", "vabsduh", "vabsduw"},
    Isa.V3_0: set(),
    Isa.V3_1: {
        "tbegin.", "tend.", "tsr.", "tabort.", "tabortwc.", "tabortwci.", "tabortdc.",
        "tabortdci.", "tcheck", "treclaim.", "trechkpt.", "tsuspend.", "tresume.", "tendall.",
    },
}  # fmt: skip
"""What it gives a processor that has it not yet, or no longer."""

SAME_WORD = {
    "sync", "phwsync", "stcisync", "dcbfps", "paste.", "pause_short", "tlbie", "tlbiel",
    "slbmfee", "slbmfev", "mffsce", "mffscdrn", "mffscdrni", "mffscrn", "mffscrni", "mffsl",
}  # fmt: skip
"""Words that had another meaning before, or whose new bits were ignored."""


def candidates() -> list[int]:
    """Words of every extended opcode, with operand fields that suit one instruction or other."""
    fields = list(product((0, 2, 3, 4), (0, 1, 4), (0, 6)))
    return [
        opcode << 26 | rt << 21 | ra << 16 | rb << 11 | low
        for opcode, bits in EXTENDED_BITS.items()
        for low in range(1 << bits)
        for rt, ra, rb in fields
    ]


def elf(text: bytes) -> bytes:
    """Return an ELF file whose only section of code is ``text``, at address ``TEXT``."""
    names = b"\0.text\0.names\0"
    header = struct.pack(
        ">16sHHIQQQIHHHHHH",
        b"\x7fELF\2\2\1", 2, 21, 1, TEXT, 0, 64, 2, 64, 0, 0, 64, 3, 2,
    )  # fmt: skip
    start = len(header) + 3 * 64
    sections = (
        (0, 0, 0, 0, 0, 0),
        (1, 1, 6, TEXT, start, len(text)),
        (7, 3, 0, 0, start + len(text), len(names)),
    )
    table = b"".join(struct.pack(">IIQQQQ24x", *section) for section in sections)
    return header + table + text + names


def binutils(words: list[int], cpu: str, directory) -> list[str]:
    """Return binutils' text of each word, for a processor."""
    image = directory / "words.elf"
    image.write_bytes(elf(b"".join(word.to_bytes(4) for word in words)))
    commands = (
        "set architecture powerpc:common64",
        f"set disassembler-options {cpu}",
        f"x/{len(words)}i {TEXT}",
    )
    arguments = [text for command in commands for text in ("-ex", command)]
    run = subprocess.run(
        [GDB, "-nx", "-batch", *arguments, image], capture_output=True, text=True, check=True
    )
    return re.findall(r"^ +0x[0-9a-f]+[^\t]*:\t(.*)$", run.stdout, re.MULTILINE)


@pytest.mark.oracle
@pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
@pytest.mark.parametrize("cpu", ["power8", "power9", "power10"])
def test_the_words_that_binutils_knows_are_ours(cpu, tmp_path):
    words, isa = candidates(), cpu_model(cpu).isa

    texts = binutils(words, cpu, tmp_path)

    assert len(texts) == len(words)
    missing = {
        text.split()[0]
        for word, text in zip(words, texts, strict=True)
        if not text.startswith(".long")
        and decode(word, isa) is None
        and facility_of(word, isa) is None
    }
    assert missing <= NOT_OF_A_SERVER | NOT_OFFERED[isa]


@pytest.mark.oracle
@pytest.mark.skipif(GDB is None, reason="gdb-multiarch is not installed")
@pytest.mark.parametrize("cpu", ["power8", "power9"])
def test_what_a_later_version_added_is_illegal_where_binutils_does_not_know_it(cpu, tmp_path):
    words, isa = candidates(), cpu_model(cpu).isa

    before, after = (binutils(words, one, tmp_path) for one in (cpu, "power10"))

    early = {
        text.split()[0]
        for word, old, text in zip(words, before, after, strict=True)
        if old.startswith(".long")
        and not text.startswith(".long")
        and (decode(word, isa) is not None or facility_of(word, isa) is not None)
    }
    assert early <= SAME_WORD
