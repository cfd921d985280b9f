"""Damaged recordings: one line that says so, or a divergence that is named, and nothing else.

Damage of a frame's payload with the checksum that belongs to it gets behind the checksums.
"""

import json
import random

import pytest

from papvmm.control.recording.directory import record, recorded
from papvmm.control.recording.frames import MAGIC, Kind, frame, frames
from papvmm.control.recording.recorded import Replay
from papvmm.errors import BadInput
from papvmm.isa.state import GPR
from papvmm.kvmapi.one_reg import register_id
from papvmm.machine.builder import boot
from papvmm.machine.config import File, MachineConfig
from papvmm.machine.inputs import Keys, Memory, OneReg, Registers, Reset, SystemReset, Warp
from papvmm.machine.outcome import Quit
from papvmm.machine.player import Diverged
from tests.elves import Elf, Load
from tests.mutations import damaged, twisted
from tests.programs import image

MANIFEST = "manifest.json"
A_FEW = 150
ALL = pytest.param(10_000, marks=pytest.mark.slow)
LONG = 2_000
"""More instructions than the recorded guest executes before a reset."""

GUEST = """
    li 20,20; li 3,0x54; li 4,0; sc 1; add 21,21,4; addi 20,20,-1; cmpdi 20,0; bne -24; b 0
"""
INPUTS = (
    Keys(b"abc"),
    Registers(0, ((GPR.at(30), bytes(range(8))),)),
    Memory(0x7000, b"poke"),
    OneReg(0, register_id("PSSCR"), (0,)),
    Warp(1 << 20),
    SystemReset(1),
    Reset("test"),
)


class Directory:
    """A recording that can be damaged, and is whole again for the next damage."""

    def __init__(self, place):
        program = Elf([Load(0x10000, image(GUEST, at=0x10000))]).build()
        config = MachineConfig(memory_size=1 << 20, vcpus=2, kernel=File("guest", program))
        guest = boot(config.replace(accel="python"))
        recorder = record(guest, place)
        for given in INPUTS:
            guest.run(20)
            guest.take(given)
            recorder.tick()
        guest.run(100)
        recorder.finish(Quit("test"))
        self.place = place
        self.files = {file.name: file.read_bytes() for file in place.iterdir()}
        self.changed = set()

    def put(self, name, data):
        file = self.place / name
        file.unlink()
        file.write_bytes(data)
        self.changed.add(name)

    def mend(self):
        for name in list(self.changed):
            self.put(name, self.files[name])
        self.changed.clear()

    def damage(self, generator):
        name = generator.choice(sorted(self.files))
        self.put(name, damaged(self.files[name], generator))

    def damage_sealed(self, generator):
        if generator.randrange(5) == 0:
            manifest = twisted(json.loads(self.files[MANIFEST]), generator)
            self.put(MANIFEST, json.dumps(manifest).encode())
            return
        found = list(frames(self.files["log"]))
        at = generator.randrange(len(found))
        kind, payload = found[at]
        match generator.randrange(4):
            case 0:
                found.insert(generator.randrange(len(found)), found.pop(at))
            case 1:
                del found[at]
            case 2:
                found[at] = generator.choice(list(Kind)), payload
            case _:
                found[at] = kind, damaged(payload, generator)
        self.put("log", MAGIC + b"".join(frame(*one) for one in found))


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "recording")


def one_line(place):
    """Replay a recording, or return the line that says why it can't be."""
    try:
        guest, log = recorded(place, "python")
        Replay(guest, log).run(LONG)
    except (BadInput, Diverged) as error:
        return str(error)
    return None


def test_the_recording_is_whole(directory):
    assert one_line(directory.place) is None


@pytest.mark.parametrize("times", [A_FEW, ALL])
def test_a_damaged_recording_is_told_in_one_line(directory, times):
    generator = random.Random(times)
    lines = []
    for number in range(times):
        if number % 2:
            directory.damage(generator)
        else:
            directory.damage_sealed(generator)
        lines.append(one_line(directory.place))
        directory.mend()

    told = [line for line in lines if line is not None]
    assert len(told) > times // 2
    assert [line for line in told if "\n" in line] == []
