"""The house stands: rules about the code that no linter knows."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "papvmm").rglob("*.py"))
LONGEST = 400


@pytest.mark.parametrize("detector", ["stubs.py papvmm", "dupconst.py papvmm", "noassert.py tests"])
def test_a_detector_finds_nothing(detector):
    script, folder = detector.split()

    done = subprocess.run(
        (sys.executable, ROOT / "tools" / "house" / script, ROOT / folder),
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.stdout == ""


def test_no_file_is_longer_than_a_person_reads():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in SOURCES}

    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_there_are_no_drawers():
    drawer = re.compile(r"(utils?|helpers?|common|misc|manager|_v2|_new|_old|enhanced|legacy)")

    assert [path.name for path in SOURCES if drawer.search(path.stem)] == []


def test_nothing_below_the_machine_is_asynchronous():
    rooms = ("isa", "vpa", "mmu", "memory", "engine", "vcpu", "papr", "kvmapi", "devices", "boot")
    below = [path for path in SOURCES if path.relative_to(ROOT / "papvmm").parts[0] in rooms]
    waits = re.compile(r"^\s*(async def|await )|[=(] ?await ", re.MULTILINE)

    assert len(below) > 20
    assert [path.name for path in below if waits.search(path.read_text())] == []


def test_every_option_of_run_is_used_in_a_test():
    told = subprocess.run(
        (sys.executable, "-m", "papvmm", "run", "--help"),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    options = set(re.findall(r"(?<![\w-])(--?[a-zA-Z][\w-]*)", told.partition("options:")[2]))
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))

    unused = {option for option in options if not re.search(rf'["\s]{option}["\s=]', tests)}

    assert unused <= {"-h", "--help"}
