"""The directory of a saved guest: when it changes, and what is refused."""

import json
import os
import random
import signal
import stat
import subprocess
import sys
import time
from hashlib import sha256

import pytest

from papvmm.control.snapshot.directory import OLDEST, SCHEMA
from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import save
from papvmm.errors import BadInput
from papvmm.isa.state import DAR
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running
from tests.saved import changed, registers, run_to_exit

MANIFEST = "manifest.json"


def small():
    """Return a guest of 64 KiB with something in every kind of place."""
    guest = guest_running(SPIN, vcpus=2, slice_counts=50, memory_size=64 << 10)
    guest.console.feed(b"key")
    run_to_exit(guest, 100)
    return guest


@pytest.fixture
def place(tmp_path):
    return tmp_path / "saved"


@pytest.fixture
def saved(place):
    save(small(), place)
    return place


def file_of(directory, name):
    return directory / json.loads((directory / MANIFEST).read_bytes())["files"][name]["file"]


def refused(directory):
    with pytest.raises(BadInput) as error:
        load(directory)
    assert str(error.value).startswith(f"{directory}: ")
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{directory}: ")


def sealed(manifest):
    """Return a manifest's text with the checksum it should have."""
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    text = json.dumps(rest, indent=2).encode() + b"\n"
    return json.dumps(rest | {"checksum": sha256(text).hexdigest()}, indent=2).encode() + b"\n"


def test_only_the_owner_can_read_it(saved):
    assert stat.S_IMODE(saved.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in saved.iterdir()} == {0o600}


def test_nothing_is_left_beside_it(saved):
    assert os.listdir(saved.parent) == ["saved"]


def test_a_saved_guest_is_replaced_and_its_files_are_gone(saved):
    before = set(os.listdir(saved))
    guest = small()
    guest.memory.write(0x5000, b"other")
    run_to_exit(guest, 200)

    save(guest, saved)

    copy = load(saved)
    assert registers(copy) == registers(guest)
    assert changed(copy, guest) == set()
    assert len(os.listdir(saved)) == len(before)
    assert set(os.listdir(saved)) & before == {MANIFEST}


def test_what_a_killed_save_left_beside_it_is_swept_away(place):
    left = place.parent / f".{place.name}.x1y2z3.part"
    left.mkdir()
    (left / "ram.part").write_bytes(b"half of it")

    save(guest_running("b 0", memory_size=1 << 20), place)

    assert list(place.parent.iterdir()) == [place]


def test_an_empty_directory_is_as_good_as_none(place):
    place.mkdir()

    save(small(), place)

    assert load(place)


def test_where_a_link_points_is_where_a_guest_is_saved(place, tmp_path):
    place.symlink_to("elsewhere")

    save(small(), place)

    assert place.is_symlink()
    assert load(tmp_path / "elsewhere")


def test_a_directory_with_anything_else_in_it_is_not_touched(place):
    place.mkdir()
    (place / "precious").write_text("data")

    with pytest.raises(BadInput, match="no saved guest: choose another"):
        save(small(), place)

    assert os.listdir(place) == ["precious"]


def test_a_file_in_the_way_is_not_touched(place):
    place.write_text("precious")

    with pytest.raises(BadInput):
        save(small(), place)

    assert place.read_text() == "precious"


def test_a_save_that_fails_leaves_what_was_there(saved, monkeypatch):
    before = {name: (saved / name).read_bytes() for name in os.listdir(saved)}

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    guest = small()
    guest.memory.write(0x5000, b"other")
    for directory in (saved, saved.parent / "new"):
        with pytest.raises(BadInput, match="No space left"):
            save(guest, directory)

    assert {name: (saved / name).read_bytes() for name in before} == before
    assert load(saved)
    assert os.listdir(saved.parent) == ["saved"]


def test_there_is_no_saved_guest_in_an_empty_directory(tmp_path):
    assert "not a saved guest" in refused(tmp_path)


def test_there_is_no_saved_guest_where_there_is_nothing(tmp_path):
    assert "not a saved guest" in refused(tmp_path / "nowhere")


def test_another_schema_is_refused_with_both_versions(saved):
    manifest = json.loads((saved / MANIFEST).read_bytes())
    manifest |= {"schema": SCHEMA + 1, "papvmm": "9.8"}
    (saved / MANIFEST).write_bytes(sealed(manifest))

    line = refused(saved)

    assert f"papvmm 9.8 with schema {SCHEMA + 1}" in line
    assert f"reads schemas {OLDEST} to {SCHEMA}" in line


@pytest.mark.parametrize("name", ["ram", "state.json"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data[:-1] + bytes([data[-1] ^ 0x80]),
    ],
)
def test_a_damaged_file_is_refused_by_name(saved, name, damage):
    file = file_of(saved, name)
    file.write_bytes(damage(file.read_bytes()))

    assert file.name in refused(saved)


@pytest.mark.parametrize("name", ["ram", "state.json"])
def test_a_missing_file_is_refused_by_name(saved, name):
    file = file_of(saved, name)
    file.unlink()

    assert file.name in refused(saved)


def test_a_file_that_is_none_is_refused_at_once(saved):
    file = file_of(saved, "ram")
    content = file.read_bytes()
    file.unlink()
    os.mkfifo(file)
    assert "no regular file" in refused(saved)

    file.unlink()
    (saved / "other").write_bytes(content)
    file.symlink_to("other")
    assert file.name in refused(saved)


def test_a_change_of_any_byte_of_the_manifest_is_noticed(saved):
    text = (saved / MANIFEST).read_bytes()
    for at in range(0, len(text), 7):
        for other in (text[at] ^ 1, 0x20, 0x0A, 0x30):
            if other != text[at]:
                (saved / MANIFEST).write_bytes(text[:at] + bytes([other]) + text[at + 1 :])
                refused(saved)


def test_a_manifest_never_names_files_elsewhere(saved):
    manifest = json.loads((saved / MANIFEST).read_bytes())
    for name in ("/etc/passwd", "../saved/ram-0123456789abcdef", ".", ""):
        manifest["files"]["ram"]["file"] = name
        (saved / MANIFEST).write_bytes(sealed(manifest))

        assert "names a file" in refused(saved)


SAVE_FOR_EVER = """
import sys
from pathlib import Path

from papvmm.control.snapshot.save import Saves
from papvmm.isa.state import DAR
from tests.guest_programs import guest_running

guest, saves = guest_running("b 0", memory_size=1 << 20), Saves()
for number in range(1 << 32):
    for gpa in range(0x8000, 0x100000, 0x1000):
        guest.memory.store_be(gpa, 8, number)
    guest.vcpus[0].state.write(DAR, number)
    saves.save(guest, Path(sys.argv[1]))
    if number == 0:
        print("saved", flush=True)
"""


def killed_at_random(place, generator):
    """Save for ever in another process, and kill that before long."""
    command = (sys.executable, "-c", SAVE_FOR_EVER, str(place))
    with subprocess.Popen(command, stdout=subprocess.PIPE) as saver:
        saver.stdout.readline()
        time.sleep(generator.uniform(0, 0.05))
        saver.send_signal(signal.SIGKILL)


@pytest.mark.parametrize("times", [3, pytest.param(500, marks=pytest.mark.slow)])
def test_killed_at_any_moment_the_old_or_the_new_guest_is_there(place, times):
    generator = random.Random(times)
    for _ in range(times):
        killed_at_random(place, generator)

        guest = load(place)

        number = guest.vcpus[0].state.read(DAR)
        held = {guest.memory.load_be(gpa, 8) for gpa in range(0x8000, 0x100000, 0x1000)}
        assert held == {number}
