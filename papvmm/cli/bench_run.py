"""A benchmark guest in a process of its own, timed from outside."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path
from subprocess import DEVNULL, PIPE, Popen
from tempfile import TemporaryDirectory, TemporaryFile
from threading import Timer
from typing import Final

from papvmm.observe.bench.catalogue import Benchmark
from papvmm.observe.bench.figures import Sample

QEMU: Final = "qemu-system-ppc64"
QEMU_MACHINE: Final = (
    "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,kernel-addr=0"
)
MEMORY: Final = ("-m", "256")
LONGEST: Final = 600.0
"""Seconds after which a run is given up."""

LONGEST_REST: Final = 20.0
"""Seconds that what a run leaves behind may take."""

CONSOLE: Final = re.compile(
    r"(?P<name>\w+): start\n"
    r"(?P=name): checksum (?P<checksum>[0-9a-f]{16})\n"
    r"((?P=name): (?P<events>\d+) (?P<event>[a-z ]+)\n)?"
    r"(?P=name): (?P<ticks>\d+) ticks\n"
    r"(?P=name): done\n"
)
"""All that a benchmark guest prints."""


class Failed(Exception):
    """A run is no result; the text says why, in one line."""


def papvmm_command(benchmark: Benchmark, units: int, accel: str) -> tuple[str, ...]:
    """Return how a user starts a benchmark on papvmm."""
    guest = (str(image(benchmark.image)), "-append", f"{benchmark.guest} n={units}")
    return (sys.executable, "-m", "papvmm", "run", *guest, *MEMORY, "-accel", accel)


def qemu_command(benchmark: Benchmark, units: int) -> tuple[str, ...]:
    """Return the same for QEMU: its boot ROM is the stub that jumps to the image."""
    return (
        *(QEMU, "-nodefaults", "-display", "none", "-serial", "stdio"),
        *("-machine", QEMU_MACHINE, "-accel", "tcg", *MEMORY, "-bios", str(image("reset.bin"))),
        *("-kernel", str(image(benchmark.image)), "-append", f"{benchmark.guest} n={units}"),
    )


def image(name: str) -> Path:
    """Return where a shipped image is."""
    return Path(str(files("papvmm").joinpath("images", name)))


def qemu_version() -> str:
    """Return the version of the QEMU on PATH; empty if there is none."""
    try:
        told = subprocess.run((QEMU, "--version"), stdout=PIPE, text=True, check=False)
    except FileNotFoundError:
        return ""
    found = re.search(r"version (\S+)", told.stdout)
    return found[1] if found else ""


def run_timed(command: tuple[str, ...], *, cold: bool = False) -> Sample:
    """Run a guest to its end; Failed if it ends any other way than by switching off.

    If ``cold``, papvmm finds no code that it has compiled before.
    """
    started = time.monotonic()
    with (
        environment(cold=cold) as variables,
        TemporaryFile() as complaints,
        Popen(
            command, stdin=DEVNULL, stdout=PIPE, stderr=complaints, env=variables, process_group=0
        ) as process,
        killed_after(LONGEST, process),
    ):
        console, first, last = _read_console(process)
        _, status, used = os.wait4(process.pid, 0)
        ended = time.monotonic()
        process.returncode = os.waitstatus_to_exitcode(status)
        outlive_group(process.pid)
        complaints.seek(0)
        said = complaints.read().decode(errors="replace")
    found = CONSOLE.fullmatch(console.decode(errors="replace"))
    if process.returncode != 0 or found is None:
        raise Failed(_why(process.returncode, said))
    if last == first:
        raise Failed("too short to be timed: give a larger --scale")
    return Sample(
        guest=last - first,
        wall=ended - started,
        cpu=used.ru_utime + used.ru_stime,
        memory=used.ru_maxrss * 1024,
        checksum=found["checksum"],
        ticks=int(found["ticks"]),
        events=int(found["events"] or 0),
        event=found["event"] or "",
    )


@contextmanager
def environment(*, cold: bool) -> Iterator[dict[str, str]]:
    """Lend a run its environment variables: our own but, if ``cold``, an empty cache directory.

    Python may keep bytecode, as an installed papvmm has it.
    """
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    if not cold:
        yield variables
        return
    with TemporaryDirectory() as empty:
        yield variables | {"XDG_CACHE_HOME": empty}


def outlive_group(group: int) -> None:
    """Wait until nothing runs any more of what a process has started.

    papvmm's compiler finishes what it is at, and would slow the next run down. It is nobody's
    child by then, so there is an end to waiting for those that nobody reaps.
    """
    given_up = time.monotonic() + LONGEST_REST
    with suppress(ProcessLookupError):
        while time.monotonic() < given_up:
            os.killpg(group, 0)
            time.sleep(0.02)


@contextmanager
def killed_after(seconds: float, process: "Popen[bytes]") -> Iterator[None]:
    """Kill a process that takes longer, or that is left early."""
    timer = Timer(seconds, process.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        process.kill()


def _read_console(process: "Popen[bytes]") -> tuple[bytes, float, float]:
    """Return what a guest prints, and when its first and its last line were complete."""
    console = bytearray()
    first = last = 0.0
    while chunk := os.read(process.stdout.fileno(), 4096) if process.stdout else b"":
        console += chunk
        if b"\n" in chunk:
            last = time.monotonic()
            first = first or last
    return bytes(console), first, last


def _why(code: int, said: str) -> str:
    """Say in one line why a run is no result."""
    if code == -signal.SIGKILL:
        return f"not done after {LONGEST:g} s"
    lines = said.strip().splitlines()
    complaint = lines[-1] if lines else "not what a benchmark prints"
    return f"exit code {code}: {complaint}"
