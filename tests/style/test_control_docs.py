"""docs/control.md knows every command and every argument of the control socket."""

import re
from pathlib import Path

from papvmm.control.qmp.commands import COMMANDS
from papvmm.control.qmp.protocol import NEGOTIATE

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "control.md").read_text()
ROWS = re.findall(r"^\| (`.*`) \|", TEXT, re.MULTILINE)


def test_the_table_of_commands_is_complete():
    described = {name for row in ROWS for name in re.findall(r"`([\w-]+)`", row)}

    assert described >= {NEGOTIATE, *COMMANDS}
    assert {name for name in described if name.startswith("x-")} <= set(COMMANDS)
