"""-dtb and -machine dumpdtb=: device trees from and to files."""

import shutil
import subprocess

import pytest

from papvmm.papr.fdt import DeviceTree, flatten, unflatten
from tests.shell import IMAGES, papvmm

HELLO = IMAGES / "hello-be.elf"


@pytest.fixture
def dumped(tmp_path):
    """Return the tree that a machine with 16 MiB writes, as a file."""
    file = tmp_path / "tree.dtb"
    done = papvmm("run", HELLO, "-m", 16, "-append", "given", "-machine", f"pseries,dumpdtb={file}")
    assert (done.stdout, done.stderr, done.returncode) == (b"", b"", 0)
    return file


def tree_in(file) -> DeviceTree:
    return unflatten(file.name, file.read_bytes())


def test_the_tree_that_is_dumped_is_the_guests(dumped):
    root = tree_in(dumped).root

    assert root.find("/chosen").properties["bootargs"] == b"given\0"
    assert root.find("/memory@0").properties["reg"] == bytes(12) + (16 << 20).to_bytes(4, "big")


@pytest.mark.oracle
def test_dtc_reads_what_is_dumped(dumped):
    dtc = shutil.which("dtc")
    assert dtc, "device-tree-compiler is not installed"

    done = subprocess.run(
        [dtc, "-q", "-I", "dtb", "-O", "dts", dumped], capture_output=True, check=True
    )

    assert b'bootargs = "given"' in done.stdout


def test_a_guest_finds_the_tree_that_is_given(dumped, tmp_path):
    changed = tree_in(dumped)
    changed.root.children = [c for c in changed.root.children if c.name != "chosen"]
    changed.root.properties["model"] = b"mine\0"
    (tmp_path / "mine.dtb").write_bytes(flatten(changed))
    again = tmp_path / "again.dtb"

    papvmm(
        "run", HELLO, "-m", 16, "-dtb", tmp_path / "mine.dtb", "-append", "other",
        "-machine", f"pseries,dumpdtb={again}",
    )  # fmt: skip

    root = tree_in(again).root
    assert root.properties["model"] == b"mine\0"
    assert root.find("/chosen").properties["bootargs"] == b"other\0"
    assert root.find("/rtas").properties == tree_in(dumped).root.find("/rtas").properties


def test_a_guest_runs_on_the_tree_that_is_given(dumped):
    given = papvmm("run", HELLO, "-m", 16, "-dtb", dumped)

    assert (given.returncode, given.stdout.splitlines()[0]) == (0, b"hello from a big-endian guest")


def test_a_damaged_tree_is_one_line(dumped):
    dumped.write_bytes(dumped.read_bytes()[:-1000])

    done = papvmm("run", HELLO, "-m", 16, "-dtb", dumped)

    assert done.returncode == 65
    assert done.stderr.count(b"\n") == 1
    assert b"tree.dtb is a device tree that is cut short" in done.stderr


def test_a_dump_that_can_not_be_written_is_one_line():
    done = papvmm("run", HELLO, "-m", 16, "-machine", "pseries,dumpdtb=/nowhere/tree.dtb")

    assert done.returncode == 65
    assert done.stderr == b"papvmm: /nowhere/tree.dtb: No such file or directory\n"
