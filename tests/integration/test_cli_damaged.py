"""Damaged files through the command line: one line and the documented exit code, each time."""

import gzip
import random
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from tests.elves import mutants
from tests.property.test_areas_script_fuzz import damaged

IMAGE = files("papvmm").joinpath("images/hello-be.elf").read_bytes()
SCRIPTS = Path(__file__).resolve().parents[1] / "data" / "areas-kvm.jsonl.gz"
TIMES = 200
FEW = 8

pytestmark = pytest.mark.parametrize("times", [FEW, pytest.param(TIMES, marks=pytest.mark.slow)])


def papvmm(*args):
    return subprocess.run(
        (sys.executable, "-m", "papvmm", *map(str, args)),
        capture_output=True, timeout=30, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_a_damaged_kernel_runs_or_is_refused(times, tmp_path):
    kernel = tmp_path / "kernel.elf"
    codes = set()
    for blob in mutants([IMAGE], times, seed=times):
        kernel.write_bytes(blob)

        done = papvmm("run", kernel, "-m", 16, "--timeout", 0.2)

        codes.add(done.returncode)
        assert b"Traceback" not in done.stderr
        assert done.stderr.count(b"\n") == (done.returncode != 0)
    assert 65 in codes
    assert codes <= {0, 32, 33, 36, 65, 124}


def test_a_damaged_areas_script_runs_or_is_refused(times, tmp_path):
    script = tmp_path / "script.jsonl"
    generator = random.Random(times)
    lines = gzip.decompress(SCRIPTS.read_bytes()).decode().splitlines()[:20]
    codes = set()
    for _ in range(times):
        script.write_text(damaged(generator.choice(lines), generator) + "\n")

        done = papvmm("areas", script)

        codes.add(done.returncode)
        assert b"Traceback" not in done.stderr
        assert done.returncode != 65 or done.stderr.count(b"\n") == 1
    assert 65 in codes
    assert codes <= {0, 1, 65}
