"""Damaged saved guests: one line that says so, never anything else.

``sealed`` damage has the digests and the checksum that belong to it, so that what is behind them
is tried too: types, ranges and what must agree.
"""

import json
import random
import subprocess
import sys
from hashlib import sha256

import pytest

from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import Saves
from papvmm.errors import BadInput
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running, hcall
from tests.mutations import damaged, twisted
from tests.saved import run_to_exit

MANIFEST = "manifest.json"
A_FEW = 300
ALL = pytest.param(10_000, marks=pytest.mark.slow)


class Directory:
    """A saved guest that can be damaged, and is whole again for the next damage."""

    def __init__(self, place):
        guest = guest_running(f"{hcall(0x7770)}; {SPIN}", vcpus=2, memory_size=64 << 10)
        guest.memory.store_be(0x8004, 2, 640)
        guest.vcpus[0].areas.register(guest.vcpus[0].areas.vpa.kind, 0x8000, 0, online=True)
        run_to_exit(guest, 1)
        saves = Saves()
        saves.save(guest, place)
        guest.memory.write(0x3000, b"changed")
        guest.memory.write(0x5000, bytes(4096))
        saves.save(guest, place)
        self.place = place
        self.manifest = json.loads((place / MANIFEST).read_bytes())
        self.files = {file.name: file.read_bytes() for file in place.iterdir()}

        self.changed = set()

    def put(self, name, data):
        file = self.place / name
        file.unlink()  # Truncating a file, some file systems wait for the disk.
        file.write_bytes(data)
        self.changed.add(name)

    def mend(self):
        for name in list(self.changed):
            self.put(name, self.files[name])
        self.changed.clear()

    def stored(self, name):
        return self.manifest["files"][name]["file"]

    def damage(self, generator):
        name = generator.choice(sorted(self.files))
        data = damaged(self.files[name], generator)
        self.put(name, data)
        return data != self.files[name]

    def damage_sealed(self, generator):
        """Damage the state, RAM or the manifest, with digests to match."""
        manifest = json.loads(json.dumps(self.manifest))
        match generator.randrange(3):
            case 0:
                state = json.loads(self.files[self.stored("state_2.json")])
                text = json.dumps(twisted(state, generator)).encode()
                self.enlist(manifest, "state_2.json", text)
            case 1:
                name = generator.choice(("ram", "ram_2"))
                self.enlist(manifest, name, damaged(self.files[self.stored(name)], generator))
            case _:
                manifest = twisted(manifest, generator)
        manifest.pop("checksum", None)
        checksum = sha256(json.dumps(manifest, indent=2).encode() + b"\n").hexdigest()
        text = json.dumps(manifest | {"checksum": checksum}, indent=2)
        self.put(MANIFEST, text.encode() + b"\n")

    def enlist(self, manifest, name, data):
        self.put(self.stored(name), data)
        manifest["files"][name] |= {"bytes": len(data), "sha256": sha256(data).hexdigest()}


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "saved")


def one_line(place):
    """Load a guest and run it, or return the line that says why it can't be."""
    try:
        load(place).run(50)
    except BadInput as error:
        return str(error)
    return None


@pytest.mark.parametrize("times", [A_FEW, ALL])
def test_a_damaged_saved_guest_is_refused_in_one_line(directory, times):
    generator = random.Random(times)
    for _ in range(times):
        is_damaged = directory.damage(generator)

        line = one_line(directory.place)

        assert (line is not None) == is_damaged
        assert line is None or "\n" not in line
        directory.mend()


@pytest.mark.parametrize("times", [A_FEW, ALL])
def test_what_no_digest_can_notice_is_refused_in_one_line_or_is_a_guest(directory, times):
    generator = random.Random(times)
    refusals = 0
    for _ in range(times):
        directory.damage_sealed(generator)

        line = one_line(directory.place)

        refusals += line is not None
        assert line is None or "\n" not in line
        directory.mend()
    assert refusals > times // 2


@pytest.mark.slow
def test_200_damaged_saved_guests_through_the_command_line(directory):
    generator = random.Random(200)
    for number in range(200):
        is_damaged = True
        if number % 2:
            directory.damage_sealed(generator)
        else:
            is_damaged = directory.damage(generator)

        command = (sys.executable, "-m", "papvmm", "restore", str(directory.place))
        options = ("--timeout", "0.05", "-serial", "none")
        done = subprocess.run(
            (*command, *options), capture_output=True, timeout=20, check=False, text=True
        )

        codes = (65, 124, 33) if number % 2 or not is_damaged else (65,)
        assert done.returncode in codes
        assert done.stderr.count("\n") == 1
        assert "Traceback" not in done.stderr
        directory.mend()
