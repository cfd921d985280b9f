"""The trees papvmm gives its guests, read by dtc and by libfdt."""

import shutil
import subprocess

import pytest

from papvmm.boot.image import Places, Range
from papvmm.papr.device_tree import pseries
from papvmm.papr.fdt import Node, flatten, unflatten

TREE = pseries(64 << 20, range(8), "a b", Places(Range(0xFFF000, 0xFFF014), Range(0x4000, 0x5000)))
BLOB = flatten(TREE)

needs_dtc = pytest.mark.skipif(shutil.which("dtc") is None, reason="dtc is not installed")


def dtc(*arguments: str, blob: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["dtc", *arguments], input=blob, capture_output=True, check=True)


@pytest.mark.oracle
@needs_dtc
def test_dtc_reads_the_tree_without_a_warning_but_those_about_names_of_papr():
    """PAPR's CPU nodes and #s properties predate the Devicetree Specification's naming rules."""
    result = dtc("-I", "dtb", "-O", "dts", blob=BLOB)

    warnings = result.stderr.decode().splitlines()
    assert [line for line in warnings if "PowerPC,POWER9" not in line] == []
    assert b'compatible = "IBM,pseries\\0qemu,pseries";' in result.stdout
    assert b"/memreserve/\t0x0000000000fff000 0x0000000000000014;" in result.stdout
    assert b'bootargs = "a b";' in result.stdout


@pytest.mark.oracle
@needs_dtc
def test_a_tree_that_dtc_has_taken_apart_and_put_together_is_the_same_tree():
    source = dtc("-I", "dtb", "-O", "dts", blob=BLOB).stdout

    again = dtc("-I", "dts", "-O", "dtb", blob=source).stdout

    assert unflatten("dtc", again).root == TREE.root


def as_libfdt_reads(blob: bytes) -> Node:
    libfdt = pytest.importorskip("libfdt", reason="pylibfdt has no wheel for this machine")
    fdt = libfdt.FdtRo(blob)
    quiet = [libfdt.NOTFOUND]

    def read(offset: int) -> Node:
        node = Node(fdt.get_name(offset))
        at = fdt.first_property_offset(offset, quiet)
        while at >= 0:
            prop = fdt.get_property_by_offset(at)
            node.properties[prop.name] = bytes(prop)
            at = fdt.next_property_offset(at, quiet)
        child = fdt.first_subnode(offset, quiet)
        while child >= 0:
            node.children.append(read(child))
            child = fdt.next_subnode(child, quiet)
        return node

    return read(0)


@pytest.mark.oracle
def test_libfdt_reads_the_tree_that_was_written():
    assert as_libfdt_reads(BLOB) == TREE.root
