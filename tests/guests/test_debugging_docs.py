"""What docs/debugging.md shows of gdb is what people see."""

import re
import shlex
from pathlib import Path

import pytest

from tests.guests.gdb import waiting
from tests.guests.transcript import PROMPT, session

pytestmark = pytest.mark.oracle

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "debugging.md").read_text()
SOCKET = "guest.gdb"


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_the_transcript_is_what_gdb_prints(tmp_path):
    shown = "".join(blocks("console"))
    first, shown = shown.split("\n", 1)
    program, *arguments = shlex.split(first.removeprefix("$ ").replace(SOCKET, str(tmp_path / "g")))
    commands = re.findall(rf"^{re.escape(PROMPT)}(.*)$", shown, re.MULTILINE)
    run, image, *options = shlex.split(blocks("sh")[0])[1:-1]
    options = options[: options.index("-gdb")]
    (invitation,) = blocks("text")

    with waiting(image, tmp_path / "g", *options) as guest:
        screen = session(arguments, commands, cwd=ROOT)

    assert (run, program) == ("run", "gdb-multiarch")
    assert f"papvmm: {guest.invitation.replace(str(tmp_path / 'g'), SOCKET)}\n" == invitation
    assert screen == shown
