"""Several saves in a directory: each is what the guest was then, and costs what has changed."""

import base64
import gzip
import json
import os
from pathlib import Path

import pytest

from papvmm.cli.main import dispatch
from papvmm.control.snapshot.directory import OLDEST
from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import MOST_SAVES, Saves, save
from papvmm.errors import BadInput
from papvmm.isa.state import GPR
from papvmm.machine.outcome import PoweredOff
from tests.saved import FOREVER, booted, changed, listened_to, registers, run_to_exit

GOLDEN = Path(__file__).parents[1] / "data" / f"saved-schema-{OLDEST}.json.gz"
"""Saved by the version before: hibernate.elf on two vcpus, after 400,782 instructions."""


def busy():
    guest, _ = booted("busy.elf", vcpus=2, append="rounds=0 steps=64")
    run_to_exit(guest, 12_000_000)
    return guest


def ram_bytes(directory):
    return [entry.stat().st_size for entry in directory.iterdir() if entry.name.startswith("ram")]


def test_each_save_is_what_the_guest_was_then(tmp_path):
    guest, saves, copies = busy(), Saves(), []
    for _ in range(4):
        saved = saves.save(guest, tmp_path / "saved")
        copies.append((guest.memory.read(0, guest.memory.size), registers(guest)))
        guest.memory.clear(0x20_0000, 3 * 4096)
        run_to_exit(guest, guest.clock.icount + 300_000)

    assert (saved.number, 0 < saved.pages < 200) == (4, True)
    sizes = sorted(ram_bytes(tmp_path / "saved"))
    assert len(sizes) == 4
    assert sizes[2] < sizes[3] / 5
    for number, (ram, state) in enumerate(copies, start=1):
        copy = load(tmp_path / "saved", number=number)
        assert copy.memory.read(0, guest.memory.size) == ram
        assert registers(copy) == state
    assert registers(load(tmp_path / "saved")) == copies[-1][1]


def test_pages_that_have_become_zeros_are_zeros(tmp_path):
    guest, saves = busy(), Saves()
    guest.memory.write(0x20_0000, b"something")
    saves.save(guest, tmp_path / "saved")
    guest.memory.clear(0x20_0000, 4096)

    assert saves.save(guest, tmp_path / "saved").pages == 1

    assert changed(load(tmp_path / "saved"), guest) == set()


def test_a_chain_ends_and_begins_again_with_all_of_ram(tmp_path):
    guest, saves = busy(), Saves()
    numbers = []
    for _ in range(MOST_SAVES + 2):
        guest.memory.store_be(0x8000, 8, guest.clock.icount)
        run_to_exit(guest, guest.clock.icount + 1_000)
        numbers.append(saves.save(guest, tmp_path / "saved").number)

    assert numbers == [*range(1, MOST_SAVES + 1), 1, 2]
    assert len(ram_bytes(tmp_path / "saved")) == 2
    assert changed(load(tmp_path / "saved"), guest) == set()


def test_where_somebody_else_has_saved_all_of_it_is_saved(tmp_path):
    guest, saves = busy(), Saves()
    saves.save(guest, tmp_path / "saved")
    other = busy()
    other.memory.write(0x20_0000, b"other")
    save(other, tmp_path / "saved")
    guest.memory.write(0x20_0000, b"something")

    saved = saves.save(guest, tmp_path / "saved")

    assert (saved.number, saved.pages) == (1, None)
    assert changed(load(tmp_path / "saved"), guest) == set()


def test_a_save_that_fails_costs_no_changes(tmp_path, monkeypatch):
    guest, saves = busy(), Saves()
    saves.save(guest, tmp_path / "saved")
    guest.memory.write(0x20_0000, b"something")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_disk)
        with pytest.raises(BadInput, match="No space left"):
            saves.save(guest, tmp_path / "saved")

    saves.save(guest, tmp_path / "saved")

    assert changed(load(tmp_path / "saved"), guest) == set()


def full_disk(descriptor):
    raise OSError(28, "No space left on device")


def test_a_guest_that_the_version_before_has_saved_goes_on(tmp_path):
    for name, content in json.loads(gzip.decompress(GOLDEN.read_bytes())).items():
        (tmp_path / name).write_bytes(base64.b64decode(content))

    guest = load(tmp_path)
    said = listened_to(guest)

    assert guest.clock.icount == 400_782
    assert guest.hash_table.entry(8) == (0x1001, 0x2192)
    assert guest.console.read(16) == b"key"
    assert guest.run(FOREVER) == PoweredOff()
    assert b"hibernate: 2 of 2 cpus were resumed, memory intact" in said


@pytest.fixture
def run(capsys):
    """Run papvmm snapshot; return its exit code, the lines it prints, and what it complains of."""

    def command(*args):
        code = dispatch(["snapshot", *map(str, args)])
        said, complaint = capsys.readouterr()
        return code, said.splitlines(), complaint

    return command


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A directory with two saves: a page and a register differ."""
    place = tmp_path_factory.mktemp("two") / "saved"
    guest, saves = busy(), Saves()
    saves.save(guest, place)
    guest.memory.write(0x20_0000, b"something")
    state = guest.vcpus[1].state
    state.write(GPR, state.read(GPR, 30) ^ 1 << 40, 30)
    saves.save(guest, place)
    return place


def test_saves_are_listed(two, run):
    code, lines, _ = run("ls", two)

    assert code == 0
    assert [line.split()[0] for line in lines] == ["save", "1", "2"]
    assert lines[2].split()[4] == "1"


def test_what_differs_is_shown(two, run):
    code, lines, _ = run("diff", f"{two}@1", two)

    assert code == 1
    assert lines[0] == "RAM: 1 of 2,048 pages differ"
    assert sum(line.count("▒") for line in lines if "a cell is" not in line) == 1
    assert "  0x200000" in lines
    assert "registers: 1 differ" in lines
    assert any(line.startswith("  vcpus.1.regs.gpr30: 0x") for line in lines)


def test_nothing_differs_from_itself(two, run):
    assert run("diff", f"{two}@1", f"{two}@1") == (0, ["RAM: 0 of 2,048 pages differ"], "")


def test_a_directory_is_whole_or_what_is_damaged_is_named(two, run, tmp_path):
    assert run("verify", two)[:2] == (0, [f"{two}: 2 saves, 5 files: all as saved"])
    (tmp_path / "manifest.json").write_bytes((two / "manifest.json").read_bytes())

    code, lines, complaint = run("verify", tmp_path)

    assert (code, lines, complaint.count("\n")) == (65, [], 1)
    assert "No such file" in complaint


def test_a_save_that_is_not_there_is_one_line(two, run):
    assert run("diff", f"{two}@3", two) == (
        65, [], f"papvmm: {two}: there is no save 3: there are 2\n",
    )  # fmt: skip
