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
    assert BLOB[strings_at - 8 : strings_at] == struct.pack(">2I", 2, 9)
    assert BLOB[-14:] == b"model\0empty\0r\0"


def test_what_was_flattened_reads_back():
    assert unflatten("a.dtb", BLOB) == TREE


def assembled(*words: int, text: bytes = b"") -> bytes:
    """Return a tree of these structure words, nothing reserved, and this strings block."""
    structure = struct.pack(f">{len(words)}I", *words)
    strings_at = 56 + len(structure)
    total = strings_at + len(text)
    sizes = (0, len(text), len(structure))
    return struct.pack(">10I", 0xD00DFEED, total, 56, strings_at, 40, 17, 16, *sizes) + (
        bytes(16) + structure + text
    )


def test_tokens_that_mean_nothing_are_skipped():
    blob = assembled(4, 1, 0, 4, 3, 4, 0, 0xAABBCCDD, 4, 4, 2, 4, 9, text=b"p\0")

    assert unflatten("a.dtb", blob).root == Node("", {"p": b"\xaa\xbb\xcc\xdd"})


def test_nodes_may_be_64_deep_below_the_root():
    nodes = 65
    blob = assembled(*(1, 0) * nodes, *(2,) * nodes, 9)

    node = unflatten("a.dtb", blob).root

    for _ in range(nodes - 1):
        node = node.children[0]
    assert node == Node("")


def test_a_node_is_found_by_its_path():
    assert TREE.root.find("/a/b@1") is TREE.root.children[0].children[0]
    assert TREE.root.find("/") is TREE.root
    assert TREE.root.find("/a/c") is None


def patched(offset: int, word: int) -> bytes:
    return BLOB[:offset] + struct.pack(">I", word) + BLOB[offset + 4 :]


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "it has only 0 bytes"),
        (patched(0, 0xFEEDD00D), "doesn't begin with d00dfeed"),
        (patched(20, 1), "of version 1; papvmm reads 17"),
        (patched(24, 18), "papvmm reads 17"),
        (BLOB[:-1], f"should have {len(BLOB)} bytes"),
        (patched(8, 0xFFFFFF00), "cut short"),
        (patched(12, 0xFFFFFF00), "cut short"),
        (patched(16, 0xFFFFFF00), "cut short"),
        (patched(32, len(BLOB)), "cut short"),
        (patched(36, len(BLOB)), "cut short"),
        (BLOB[:39], "it has only 39 bytes"),
        (assembled(1, 0, 2, 1, 0, 2, 9), "more than one root node"),
        (assembled(1, 0, 2), "it ends early"),
        (patched(72, 2), "no root node"),
        (patched(80, 7), "token 7 in a node"),
        (patched(84, 0x10000), "it ends early"),
        (patched(88, 0x10000), "a name without an end"),
        (patched(76, 0xFF000000), "not ASCII"),
        (assembled(*(1, 0) * 66), "more than 64 deep"),
    ],
)
def test_a_damaged_tree_is_refused_in_one_line_that_says_why(blob, why):
    with pytest.raises(BadInput, match=f"^a.dtb is .*{why}") as refusal:
        unflatten("a.dtb", blob)

    assert "\n" not in str(refusal.value)
