"""What must hold for every image built from guests/ and firmware/."""

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import capstone
import pytest
from capstone.ppc import PPC_OP_REG
from elftools.elf.elffile import ELFFile

from tests.guests.images import GUESTS, IMAGES, image
from tests.guests.qemu import run_on_qemu

ROOT = IMAGES.parents[1]
LOAD_ADDRESS = 0x400000
BYTE_ORDER_SWITCH = 44  # bytes at each entry that are big-endian in every image
NOP = {
    capstone.CS_MODE_BIG_ENDIAN: bytes.fromhex("60000000"),
    capstone.CS_MODE_LITTLE_ENDIAN: bytes.fromhex("00000060"),
}
NO_INSTRUCTION = NO_REGISTER = 0
FIXED_POINT = r"r\d+|cr\d(lt|gt|eq|un)?|lr|ctr|xer"
every_guest = pytest.mark.parametrize("path", GUESTS, ids=lambda path: path.stem)


def instructions(path: Path) -> list[capstone.CsInsn]:
    """The code of a guest without the words that are big-endian in every image, and padding."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        text = elf.get_section_by_name(".text")
        order = capstone.CS_MODE_LITTLE_ENDIAN if elf.little_endian else capstone.CS_MODE_BIG_ENDIAN
        code, address = text.data(), text["sh_addr"]
    switch = code[:BYTE_ORDER_SWITCH]
    decoder = capstone.Cs(capstone.CS_ARCH_PPC, capstone.CS_MODE_64 | order)
    decoder.detail = decoder.skipdata = True
    code = code.replace(switch, NOP[order] * (len(switch) // 4))
    return [insn for insn in decoder.disasm(code, address) if any(insn.bytes)]


def functions_named(start: str, path: Path) -> list[range]:
    """Where the functions are whose names begin so."""
    with path.open("rb") as file:
        symbols = list(ELFFile(file).get_section_by_name(".symtab").iter_symbols())
    return [
        range(symbol["st_value"], symbol["st_value"] + symbol["st_size"])
        for symbol in symbols
        if symbol.name.startswith(start)
    ]


@pytest.mark.slow
def test_the_sources_give_the_shipped_images_again():
    build = subprocess.run(
        [sys.executable, "tools/build-guests", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (build.returncode, build.stdout) == (0, ""), build.stderr


def test_the_digest_list_names_every_image():
    images = sorted(path for path in IMAGES.iterdir() if path.suffix in {".elf", ".bin"})

    listed = (IMAGES / "SHA256SUMS").read_text()

    assert listed == "".join(
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in images
    )


@every_guest
def test_a_guest_is_entered_at_its_first_byte_where_it_is_linked(path):
    with path.open("rb") as file:
        elf = ELFFile(file)
        (segment,) = elf.iter_segments()

        place = (elf["e_entry"], segment["p_vaddr"], segment["p_paddr"])

    assert place == (LOAD_ADDRESS, LOAD_ADDRESS, LOAD_ADDRESS)


@every_guest
def test_a_guest_is_small(path):
    assert path.stat().st_size < 40_000


@every_guest
def test_a_guest_names_its_functions(path):
    with path.open("rb") as file:
        symbols = ELFFile(file).get_section_by_name(".symtab")

        (found,) = symbols.get_symbol_by_name("guest")

    assert found["st_info"]["type"] == "STT_FUNC"


@every_guest
def test_a_guest_uses_the_fixed_point_registers_only(path):
    """With MSR[FP], [VEC] and [VSX] off, one store of a vector register ends a guest.

    The benchmark of floating point switches it on for itself.
    """
    code = instructions(path)
    floating = functions_named("hardfloat", path)

    others = {str(insn) for insn in code if insn.id == NO_INSTRUCTION} | {
        str(insn)
        for insn in code
        if insn.id != NO_INSTRUCTION
        if not any(insn.address in places for places in floating)
        for operand in insn.operands
        if operand.type == PPC_OP_REG and operand.reg != NO_REGISTER
        if not re.fullmatch(FIXED_POINT, insn.reg_name(operand.reg))
    }

    assert others == set()


def test_the_reset_stub_is_one_branch_to_the_kernel():
    """b 0x400000 at the system reset vector: 0x48000000 | 0x3fff00 (Power ISA, I-form)."""
    assert (IMAGES / "reset.bin").read_bytes() == bytes(0x100) + bytes.fromhex("483fff00")


def test_the_rtas_stub_hands_its_argument_to_the_hypervisor():
    """mr r4,r3; lis r3,0; ori r3,r3,0xf000; sc 1; blr."""
    words = "7c641b78 3c600000 6063f000 44000022 4e800020"

    assert (IMAGES / "rtas.bin").read_bytes() == bytes.fromhex(words)


def test_an_oracle_that_is_not_installed_fails_its_tests(monkeypatch):
    """A skipped comparison looks like a passed one."""
    monkeypatch.setenv("PATH", "")

    with pytest.raises(pytest.fail.Exception, match="qemu-system-ppc64 is not installed"):
        run_on_qemu(image("hello-be"))
