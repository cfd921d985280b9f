"""An unmodified Debian kernel with busybox, as a guest for tests.

``tools/fetch-debian-kernel`` fetches them; nothing of them is kept here. Tests that need them
have the marker ``linux``, and fail where they are missing.
"""

import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from papvmm.boot.initramfs import (
    CHARACTER_DEVICE,
    CONSOLE,
    DIRECTORY,
    PROGRAM,
    Member,
    initramfs,
)

ROOT = Path(__file__).resolve().parents[2]
FETCHED = Path(os.environ.get("PAPVMM_TEST_LINUX", ROOT / "build" / "linux"))
"""Where the kernels are: a directory for each Debian suite, with vmlinux and busybox."""

QUICK = "console=hvc0 cryptomgr.notests"
"""Command line of a boot without the crypto self tests: a quarter of the instructions."""

SHELL = """\
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec setsid cttyhack sh
"""
"""An init that has a shell on the console."""

PROMPT = "/ # "
WHERE_AM_I = "\x1b[6n"
"""What busybox's shell asks a terminal, after a prompt."""


class Debian(NamedTuple):
    """What was fetched of a suite: paths."""

    vmlinux: Path
    busybox: Path


def debian(suite: str = "bookworm") -> Debian:
    """A suite's kernel and busybox; the test fails if they were not fetched."""
    found = Debian(FETCHED / suite / "vmlinux", FETCHED / suite / "busybox")
    if not all(path.exists() for path in found):
        pytest.fail(f"there is no Debian kernel in {FETCHED / suite}: tools/fetch-debian-kernel")
    return found


def shell_initramfs(busybox: Path, init: str = SHELL) -> bytes:
    """A root file system with busybox, empty mount points and an init."""
    directories = ("bin", "dev", "proc", "sys", "tmp")
    return initramfs(
        (
            *(Member(path, DIRECTORY) for path in directories),
            Member("dev/console", CHARACTER_DEVICE, device=CONSOLE),
            Member("bin/busybox", PROGRAM, busybox.read_bytes()),
            Member("init", PROGRAM, init.encode()),
        )
    )


class Console:
    """A guest that papvmm runs, as somebody sees it who types at its console."""

    def __init__(self, *arguments: object, patience: float = 120) -> None:
        self._patience = patience
        self.shown = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "papvmm", "run", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._screen, self._keys = self.process.stdout.fileno(), self.process.stdin.fileno()

    def __enter__(self) -> "Console":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def read_until(self, text: str) -> str:
        """What is shown up to and with a text that was not there yet."""
        fresh = ""
        end = time.monotonic() + self._patience
        while text not in fresh:
            left = max(0, end - time.monotonic())
            ready, _, _ = select.select([self._screen], [], [], left)
            got = os.read(self._screen, 65536) if ready else b""
            if not got:
                pytest.fail(f"{text!r} was not shown:\n{self.shown[-2000:]}")
            fresh += got.decode("ascii", "replace")
            self.shown += got.decode("ascii", "replace")
        return fresh

    def type(self, text: str) -> None:
        """Type at the console."""
        keys = text.encode()
        while keys:
            keys = keys[os.write(self._keys, keys) :]

    def run(self, command: str) -> str:
        """Type a command at a shell, and return what it printed."""
        self.type(command + "\n")
        shown = self.read_until(PROMPT).replace("\r\n", "\n").replace(WHERE_AM_I, "")
        return shown.removeprefix(command + "\n").removesuffix(PROMPT)

    def end(self) -> tuple[int, str]:
        """Wait for the end of the process; its exit code, and what it said on stderr."""
        shown, said = self.process.communicate(timeout=self._patience)
        if shown is not None:
            self.shown += shown.decode("ascii", "replace")
        return self.process.returncode, said.decode()


class Terminal(Console):
    """The same, where the console is a terminal."""

    def __init__(self, *arguments: object, patience: float = 120) -> None:
        self._patience = patience
        self.shown = ""
        ours, self.terminal = os.openpty()
        self._screen = self._keys = ours
        self.process = subprocess.Popen(
            [sys.executable, "-m", "papvmm", "run", *map(str, arguments)],
            stdin=self.terminal,
            stdout=self.terminal,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        os.close(self._screen)
        os.close(self.terminal)
