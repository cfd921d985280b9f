"""The transcripts in the documentation come out as printed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTES = ("papvmm: compiling",)
"""What depends on the machine code there is already."""


@pytest.mark.parametrize("document", ["replay", "report", "tracing"])
def test_the_transcripts_come_out_as_printed(document, tmp_path):
    text = (ROOT / "docs" / f"{document}.md").read_text("utf-8")
    (tmp_path / "papvmm").symlink_to(ROOT / "papvmm")
    blocks = re.findall(r"^```console\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    papvmm = f'papvmm() {{ "{sys.executable}" -m papvmm "$@"; }}'

    assert steps
    for step in steps:
        command, _, expected = step.replace("\\\n", "").partition("\n")
        done = subprocess.run(
            ("bash", "-c", f"exec 2>&1; {papvmm}; {command}"), cwd=tmp_path, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        shown = [line for line in done.stdout.splitlines() if not line.startswith(NOTES)]
        assert shown == expected.splitlines(), command
