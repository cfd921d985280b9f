"""A damaged cache: whatever became of a file, it is what was added or it is ignored."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from papvmm.machine.code_store import DiskStore, kept_files

PARTS = [b"\x90" * 200, b"", b"code" * 30]

WRITER = """
import sys
from pathlib import Path
from papvmm.machine.code_store import DiskStore
store = DiskStore(sys.argv[1], lambda: "engine")
print(flush=True)
while True:
    store.add("name", bytes(100_000))
"""


def flip(content, generator):
    for _ in range(generator.choice((1, 2, 50))):
        content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)


def cut(content, generator):
    del content[generator.randrange(len(content)) :]


def lengthen(content, generator):
    content += generator.randbytes(generator.randint(1, 100))


def move(content, generator):
    start, length = (generator.randrange(len(content)) for _ in range(2))
    piece = content[start : start + length]
    del content[start : start + length]
    at = generator.randrange(len(content) + 1)
    content[at:at] = piece


def replace(content, generator):
    content[:] = generator.randbytes(generator.randrange(1000))


def blank(content, generator):
    """As a file that was being written when the host lost its power."""
    start = generator.randrange(len(content))
    content[start:] = bytes(len(content) - start)


def damage(seed, directory):
    """Load what is left of a file after some accident; it must be sound or nothing."""
    generator = random.Random(seed)
    store = DiskStore(str(directory), lambda: "engine")
    (file,) = kept_files(str(directory))
    sound = Path(file.path).read_bytes()
    content = bytearray(sound)
    generator.choice((flip, cut, lengthen, move, replace, blank))(content, generator)
    Path(file.path).write_bytes(content)

    loaded = store.load("name")

    assert loaded == (PARTS if content == sound else []), seed
    Path(file.path).write_bytes(sound)


def fill(directory):
    for part in PARTS:
        DiskStore(str(directory), lambda: "engine").add("name", part)


@pytest.mark.parametrize(
    "seeds", [range(300), pytest.param(range(300, 10_000), marks=pytest.mark.slow)]
)
def test_damage_is_noticed(seeds, tmp_path):
    fill(tmp_path / "cache")

    for seed in seeds:
        damage(seed, tmp_path / "cache")


def test_a_file_of_another_version_is_never_loaded(tmp_path):
    fill(tmp_path / "cache")

    for number in range(300):
        assert DiskStore(str(tmp_path / "cache"), lambda n=number: f"engine{n}").load("name") == []


def test_a_killed_writer_leaves_nothing_that_is_loaded(tmp_path):
    cache = tmp_path / "cache"
    store = DiskStore(str(cache), lambda: "engine")
    for number in range(10):
        command = (sys.executable, "-c", WRITER, cache)
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            writer.stdout.readline()
            time.sleep(0.003 * number)
            writer.send_signal(signal.SIGKILL)

        assert set(store.load("name")) <= {bytes(100_000)}

    store.add("name", b"after")
    assert store.load("name")[-1] == b"after"
