"""Bad input is one clear line with an exit code, and what is not built is named with its place."""

from struct import pack

import pytest

from papvmm.isa.encode import assemble_program
from tests.elves import Elf, Load
from tests.shell import IMAGES, papvmm

HELLO = IMAGES / "hello-be.elf"
AT = 0x10000
FUNC = 2
DADD = 0xEC211004
"""dadd 1,1,2: papvmm has no decimal floating point."""
ELF32 = b"\x7fELF\1\2\1" + bytes(9) + pack(">HHIIII", 2, 20, 1, AT, 52, 0)
"""The beginning of a 32-bit big-endian ELF for powerpc."""
TREE = pack(">10I", 0xD00DFEED, 72, 56, 64, 40, 17, 16, 0, 8, 8)
"""A device tree's header: its two blocks are missing."""


def kernel(text: str) -> bytes:
    """A big-endian kernel whose function ``probe`` is this."""
    code = b"".join(word.to_bytes(4, "big") for word in assemble_program(text, AT))
    return Elf([Load(AT, code)], symbols=[("probe", AT, len(code), FUNC, 1)]).build()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not an ELF file"),
        (b"#!/bin/sh\n" * 100, "is not an ELF file"),
        (HELLO.read_bytes()[:5000], "is cut short"),
        (ELF32 + bytes(100), "32-bit"),
        (Elf(machine=62, little=True).build(), "X86-64"),
    ],
)
def test_a_kernel_for_something_else(content, says, tmp_path):
    (tmp_path / "kernel").write_bytes(content)

    done = papvmm("run", tmp_path / "kernel")

    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (65, b"")
    assert line.startswith(f"papvmm: {tmp_path / 'kernel'} ")
    assert says in line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is not a flattened device tree: it has only 0 bytes"),
        (bytes(100), "is not a flattened device tree: it doesn't begin with d00dfeed"),
        (TREE, "is a device tree that is cut short: it should have 72 bytes"),
    ],
)
def test_a_damaged_device_tree(content, says, tmp_path):
    (tmp_path / "tree").write_bytes(content)

    done = papvmm("run", HELLO, "-dtb", tmp_path / "tree")

    (line,) = done.stderr.decode().splitlines()
    assert (done.returncode, done.stdout) == (65, b"")
    assert line == f"papvmm: {tmp_path / 'tree'} {says}"


def test_an_initrd_that_does_not_fit_and_how_much_ram_it_takes(tmp_path):
    with (tmp_path / "initrd").open("wb") as file:
        file.truncate(40 << 20)

    small = papvmm("run", HELLO, "-initrd", tmp_path / "initrd", "-m", 32)
    (line,) = small.stderr.decode().splitlines()
    told = line.rpartition("give at least -m ")[2]
    enough = papvmm("run", HELLO, "-initrd", tmp_path / "initrd", "-m", told)

    assert small.returncode == 65
    assert "the initrd 40.0 MiB" in line
    assert enough.returncode == 0


def test_an_instruction_that_is_not_built_is_named_with_its_place(tmp_path):
    (tmp_path / "kernel").write_bytes(
        kernel(f"mfmsr 3; ori 3,3,0x2000; mtmsrd 3,0; .long {DADD}; nop")
    )

    done = papvmm("run", tmp_path / "kernel")

    (line,) = done.stderr.decode().splitlines()
    assert done.returncode == 33
    assert "0x1000c <probe+0xc>" in line
    assert f"{DADD:08x}" in line


RTAS = "lis 4,2; lis 3,0; ori 3,3,0xf000; sc 1"
"""A call of RTAS with a buffer of zeros."""


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("li 3,0x36c; sc 1", "hypercall H_RESIZE_HPT_PREPARE", "0x10004 <probe+0x4>"),
        ("li 3,0x7ff0; sc 1", "hypercall 0x7ff0", "0x10004 <probe+0x4>"),
        (RTAS, "RTAS call 0x0", "0x1000c <probe+0xc>"),
    ],
)
def test_a_call_that_there_is_not_is_named_with_place_and_count(text, name, place, tmp_path):
    (tmp_path / "kernel").write_bytes(kernel(f"{text}; {text}; b 0"))

    done = papvmm("run", tmp_path / "kernel", "--timeout", 1)

    said = f"{name} is not provided: asked for 2 times, first at {place} by vcpu0 @ "
    assert done.returncode == 124
    assert said in done.stderr.decode()
