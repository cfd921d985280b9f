"""Flattened device trees: what is written, and how damaged ones are refused."""

import struct

import pytest

from papvmm.errors import BadInput
from papvmm.papr.fdt import DeviceTree, Node, cells, cells64, flatten, strings, unflatten

TREE = DeviceTree(
    Node(
        "",
        {"model": strings("x", "yz"), "empty": b""},
        [Node("a", {"model": cells(1, 2)}, [Node("b@1")]), Node("c", {"r": cells64(1 << 40)})],
    ),
    ((0x1000, 0x20),),
    boot_cpuid=7,
)
BLOB = flatten(TREE)


def test_the_header_and_blocks_are_laid_out_as_the_specification_says():
    header = struct.unpack(">10I", BLOB[:40])

    structure = 40 + 32
    strings_at = len(BLOB) - len(b"model\0empty\0r\0")
    assert header == (
        0xD00DFEED, len(BLOB), structure, strings_at, 40, 17, 16, 7, 14, strings_at - structure,
    )  # fmt: skip
    assert BLOB[40:72] == struct.pack(">4Q", 0x1000, 0x20, 0, 0)
    assert BLOB[72:104] == struct.pack(">5I", 1, 0, 3, 5, 0) + b"x\0yz\0\0\0\0" + struct.pack(
        ">I", 3
    )
    assert BLOB[-14:] == b"model\0empty\0r\0"


def test_what_was_flattened_reads_back():
    assert unflatten("a.dtb", BLOB) == TREE


def test_a_node_is_found_by_its_path():
    assert TREE.root.find("/a/b@1") is TREE.root.children[0].children[0]
    assert TREE.root.find("/") is TREE.root
    assert TREE.root.find("/a/c") is None


def patched(offset: int, word: int) -> bytes:
    return BLOB[:offset] + struct.pack(">I", word) + BLOB[offset + 4 :]


DEEP_STRUCTURE = struct.pack(">2I", 1, 0) * 2000
DEEP = struct.pack(">10I", 0xD00DFEED, 16056, 56, 40, 40, 17, 16, 0, 0, 16000) + bytes(16)


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "it has only 0 bytes"),
        (patched(0, 0xFEEDD00D), "doesn't begin with d00dfeed"),
        (patched(20, 1), "of version 1; papvmm reads 17"),
        (patched(24, 18), "papvmm reads 17"),
        (BLOB[:-1], f"should have {len(BLOB)} bytes"),
        (patched(8, 0xFFFFFF00), "cut short"),
        (patched(72, 2), "no root node"),
        (patched(80, 7), "token 7 in a node"),
        (patched(84, 0x10000), "it ends early"),
        (patched(88, 0x10000), "a name without an end"),
        (patched(76, 0xFF000000), "not ASCII"),
        (DEEP + DEEP_STRUCTURE, "more than 64 deep"),
    ],
)
def test_a_damaged_tree_is_refused_in_one_line_that_says_why(blob, why):
    with pytest.raises(BadInput, match=f"^a.dtb is .*{why}") as refusal:
        unflatten("a.dtb", blob)

    assert "\n" not in str(refusal.value)
