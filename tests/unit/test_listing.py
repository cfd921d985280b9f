"""``papvmm dis``: an image's instructions with their addresses, bytes, labels and targets."""

import struct
from importlib.resources import files

import pytest

from papvmm.boot.elf import load_elf
from papvmm.cli.main import dispatch
from papvmm.errors import BadInput
from papvmm.observe.listing import address, listing
from tests.elves import Elf, Load, mutants

END = 1 << 64
FUNC = 2

# nop; bl .+8 (to 0x1000c); blr; sc 1
WORDS = (0x60000000, 0x48000008, 0x4E800020, 0x44000022)
SYMBOLS = [("first", 0x10000, 8, FUNC, 1), ("second", 0x1000C, 4, FUNC, 1)]


def lines(elf: Elf, start: int = 0, stop: int = END) -> list[str]:
    return list(listing(load_elf("x", elf.build()), start, stop))


@pytest.mark.parametrize("little", [False, True])
def test_bytes_are_shown_as_they_are_in_memory_and_mean_the_same_in_both_orders(little):
    data = struct.pack("<4I" if little else ">4I", *WORDS)

    text = lines(Elf([Load(0x10000, data)], little=little, symbols=SYMBOLS))

    assert text == [
        "\n0000000000010000 <first>:",
        f"   10000:\t{data[0:4].hex(' ')}\tnop",
        f"   10004:\t{data[4:8].hex(' ')}\tb 0x1000c <second>",
        f"   10008:\t{data[8:12].hex(' ')}\tblr",
        "\n000000000001000c <second>:",
        f"   1000c:\t{data[12:16].hex(' ')}\tsc 1",
    ]


def test_addresses_are_those_the_image_is_linked_at():
    elf = Elf([Load(0, struct.pack(">I", WORDS[0]), vaddr=0xC000000000000000)], 1 << 63 | 1 << 62)

    assert lines(elf) == ["c000000000000000:\t60 00 00 00\tnop"]


def test_a_listing_begins_at_start_and_ends_before_stop():
    elf = Elf([Load(0x10000, struct.pack(">4I", *WORDS))])

    assert [line.split(":")[0].strip() for line in lines(elf, 0x10006, 0x1000C)] == [
        "10004", "10008",
    ]  # fmt: skip


def test_a_run_of_zeros_is_one_line_and_a_label_ends_it():
    data = bytes(64)
    elf = Elf([Load(0x10000, data)], symbols=[("end", 0x1003C, 4, FUNC, 1)])

    text = lines(elf)

    assert text[3:] == [
        "\t...",
        "\n000000000001003c <end>:",
        "   1003c:\t00 00 00 00\t.long 0x00000000",
    ]


def test_bytes_after_the_last_word_are_bytes():
    assert lines(Elf([Load(0x10000, b"\x60\0\0\0\x12")]))[-1] == "   10004:\t12\t.byte 0x12"


def test_data_in_the_segment_of_the_code_is_not_listed_where_sections_tell_them_apart():
    data = files("papvmm").joinpath("images/kernel-b.elf").read_bytes()
    image = load_elf("kernel-b.elf", data)
    text = "\n".join(listing(image, 0, END))

    assert "<guest>:" in text
    assert "<tree>:" not in text
    assert image.symbol_address("tree") is not None


def test_a_place_is_a_symbol_or_a_number():
    image = load_elf("x", Elf(symbols=SYMBOLS).build())

    assert (address(image, "second"), address(image, "0x20"), address(image, "16")) == (
        0x1000C, 0x20, 16,
    )  # fmt: skip
    with pytest.raises(BadInput, match="no symbol 'third'"):
        address(image, "third")


def test_the_command_lists_a_shipped_guest(capsys):
    path = files("papvmm").joinpath("images/hello-le.elf")

    code = dispatch(["dis", str(path), "--start", "hcall", "--stop", "decrementer_vector"])

    header, rest = capsys.readouterr().out.split("\n", 1)
    assert code == 0
    assert "ppc64 little-endian, ELFv2" in header
    assert [line.split("\t")[-1] for line in rest.splitlines()[2:]] == ["sc 1", "blr"]


def test_what_is_no_image_is_refused_in_one_line(tmp_path, capsys):
    path = tmp_path / "x.elf"
    path.write_bytes(b"\x7fELF" + bytes(60))

    assert dispatch(["dis", str(path)]) == 65
    assert capsys.readouterr().err.count("\n") == 1


def test_a_damaged_image_is_listed_or_refused():
    originals = [Elf(symbols=SYMBOLS).build(), Elf(little=True).build()]
    refused = 0
    for mutant in mutants(originals, 500, seed=7):
        try:
            image = load_elf("x", mutant)
        except BadInput:
            refused += 1
            continue
        assert all(isinstance(line, str) for line in listing(image, 0, END))

    assert 0 < refused < 500
