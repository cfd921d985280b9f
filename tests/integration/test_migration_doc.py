"""docs/migration.md: its transcript is what happens."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "migration.md").read_text()


def without_numbers(text):
    return re.sub(r"\d+(\.\d+)?", "N", text).replace("passes", "pass")


def test_the_transcript_is_what_happens(tmp_path):
    (transcript,) = re.findall(r"^```console\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
    lines = transcript.splitlines(keepends=True)
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    shown = "".join(line for line in lines if not line.startswith("$ "))
    (tmp_path / "papvmm").symlink_to(ROOT / "papvmm")
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "papvmm"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m papvmm "$@"\n')
    command.chmod(0o755)
    path = f"{command.parent}:{os.environ['PATH']}"

    done = subprocess.run(
        ("bash", "-eu", "-c", "".join(commands)), cwd=tmp_path, check=False, timeout=60,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(ROOT)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip

    assert done.returncode == 0
    assert without_numbers(done.stdout) == without_numbers(shown)
