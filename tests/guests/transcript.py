"""gdb at a terminal: what people see when they type commands."""

import os
import pty
import subprocess
import time

PROMPT = "(gdb) "


def session(arguments, commands, *, cwd, patience=120):
    """Return the screen of gdb, from the first command on, as text."""
    ours, theirs = pty.openpty()
    quiet = ("-nx", "-q", "-ex", "set confirm off", "-ex", "set width 0", "-ex", "set height 0",
             "-ex", "set style enabled off", "-iex", "set debuginfod enabled off")  # fmt: skip
    environment = os.environ | {"TERM": "dumb", "INPUTRC": "/dev/null"}
    with subprocess.Popen(
        ("gdb-multiarch", *quiet, *arguments), stdin=theirs, stdout=theirs, stderr=theirs, cwd=cwd,
        env=environment,
    ) as gdb:  # fmt: skip
        os.close(theirs)
        try:
            until = time.monotonic() + patience
            _until_prompt(ours, until)
            screen = ""
            for command in commands:
                os.write(ours, f"{command}\n".encode())
                screen += f"{PROMPT}{_until_prompt(ours, until)}"
        finally:
            gdb.kill()
            os.close(ours)
    return screen.replace("\r", "")


def _until_prompt(terminal, until):
    text = ""
    while not text.endswith(PROMPT):
        assert time.monotonic() < until, text
        text += os.read(terminal, 4096).decode()
    return text.removesuffix(PROMPT)
