"""gdb-multiarch with a guest of papvmm: what it prints when it is given commands."""

import re
import subprocess
from contextlib import contextmanager

from tests.shell import PAPVMM

GDB = ("gdb-multiarch", "-nx", "-nw", "-batch")
PATIENCE = 60


class Guest:
    """A guest that waits at a socket for gdb; ``image`` is where its symbols are.

    ``invitation`` is the line that papvmm says to type.
    """

    def __init__(self, process, path, image, order, invitation):
        self.process, self.path, self.image, self.order = process, path, image, order
        self.invitation = invitation

    def gdb(self, *commands):
        """Return what gdb prints, from its connection on."""
        given = (f"set endian {self.order}", "set confirm off", f"target remote {self.path}")
        options = [part for one in (*given, *commands) for part in ("-ex", one)]
        line = (*GDB, *options, self.image)
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=PATIENCE, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout + done.stderr

    def end(self):
        """Return the guest's exit code and its console."""
        console, _ = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, console.decode()


@contextmanager
def waiting(image, path, *args, order="big", paused=True):
    """Give a guest whose first instruction, or at least no debugger, has come."""
    options = ("run", str(image), "-gdb", f"unix:{path}", *(("-S",) if paused else ()))
    process = subprocess.Popen(
        (*PAPVMM, *options, *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while b"target remote" not in (line := process.stderr.readline()):
            assert line
        invitation = line.decode().strip().removeprefix("papvmm: ")
        yield Guest(process, path, image, order, invitation)
    finally:
        process.kill()
        process.communicate()


def values(text, name):
    """Return what gdb printed about a register, in hexadecimal, each time it did."""
    return [int(found, 16) for found in re.findall(rf"^{name} +(0x[0-9a-f]+)", text, re.MULTILINE)]
