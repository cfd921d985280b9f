"""``papvmm-qemu-system-ppc64``: QEMU's command line, turned into that of ``papvmm run``.

For harnesses that know how to start QEMU. Nothing but argv changes: options that papvmm has are
passed on, those without a meaning here are left out, and others are refused.
"""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from papvmm import __version__
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.main import main as papvmm
from papvmm.cli.options import QUESTIONS, cpu_count
from papvmm.errors import BadUsage
from papvmm.isa.processors import cpu_list

NAME: Final = "papvmm-qemu-system-ppc64"
BANNER: Final = f"QEMU emulator version 7.2.0 (its command line only: this is papvmm {__version__})"
MACHINES: Final = """Supported machines are:
pseries              pSeries Logical Partition (PAPR compliant) (default)"""
MACHINE_QUESTIONS: Final = {(option, q) for option in ("machine", "M") for q in QUESTIONS}
CPU_QUESTIONS: Final = {("cpu", q) for q in QUESTIONS}
PASSED: Final = frozenset(("S", "s", "nographic", "nodefaults", "no-reboot"))
PASSED_WITH_VALUE: Final = frozenset(
    (
        "kernel", "M", "machine", "m", "smp", "cpu", "initrd", "append", "rtc", "qmp", "serial",
        "display", "action", "name", "gdb", "incoming",
    )
)  # fmt: skip
LEFT_OUT: Final = frozenset(("enable-kvm", "no-user-config", "no-shutdown"))
LEFT_OUT_WITH_VALUE: Final = frozenset(
    ("bios", "icount", "L", "vga", "net", "nic", "boot", "d", "D")
)
"""``-bios``: kernels are entered directly. ``-icount``: time is a count of instructions then."""
HOST_TIME: Final = ("--clock", "host")
"""Guests that QEMU runs see the host's time, but for those with ``-icount``."""
FAILURE: Final = 1
EXIT_CODES: Final[Mapping[int, int]] = {
    ExitCode.GUEST_RESET: 0, ExitCode.GUEST_PANIC: 0, ExitCode.USAGE: FAILURE,
    ExitCode.BAD_INPUT: FAILURE,
}  # fmt: skip
"""QEMU's, where it has another one: a guest that ends as it was told to is no failure."""


def main() -> None:
    """Answer a question about QEMU, or run a guest as QEMU would be told to."""
    args = sys.argv[1:]
    answer = answer_to(args)
    if answer is not None:
        print(answer)
        return
    try:
        sys.argv[1:] = translated(args)
    except BadUsage as refusal:
        print(f"{NAME}: {refusal}", file=sys.stderr)
        sys.exit(FAILURE)
    papvmm(EXIT_CODES)


def answer_to(args: Sequence[str]) -> str | None:
    """Return what QEMU would print instead of running anything, in short."""
    options = [arg.removeprefix("-") if arg.startswith("--") else arg for arg in args]
    if {"-h", "-help", "-version"} & set(options):
        return BANNER
    asked = set(pairwise(option.removeprefix("-") for option in options))
    if MACHINE_QUESTIONS & asked:
        return MACHINES
    return cpu_list() if CPU_QUESTIONS & asked else None


def translated(args: Sequence[str]) -> list[str]:
    """Return the arguments of papvmm that do what these ask QEMU for; BadUsage if none do."""
    is_virtual = "icount" in {arg.lstrip("-") for arg in args}
    run = ["run", *(() if is_virtual else HOST_TIME)]
    rest = iter(args)
    for arg in rest:
        name = arg.lstrip("-")
        if not arg.startswith("-"):
            raise BadUsage(f"{arg}: disk images are not supported")
        if name in PASSED:
            run.append(f"-{name}")
        elif name in PASSED_WITH_VALUE:
            value = _value(arg, rest)
            run += [f"-{name}={value}"] if value.startswith("-") else [f"-{name}", value]
        elif name in LEFT_OUT_WITH_VALUE:
            _value(arg, rest)
        elif name not in LEFT_OUT:
            run += _translated_one(arg, _value(arg, rest))
    _check(dict(pairwise(run)))
    return run


def _check(options: Mapping[str, str]) -> None:
    """Raise BadUsage for the two that harnesses probe a QEMU with, and in its order.

    A machine that can't be made comes first, then a kernel that isn't there.
    """
    try:
        cpu_count(options.get("-smp", "1"))
    except ArgumentTypeError as error:
        raise BadUsage(f"-smp {options['-smp']}: {error}") from None
    kernel = options.get("-kernel")
    if kernel is not None and not Path(kernel).exists():
        raise BadUsage(f"could not load kernel '{kernel}': No such file or directory")


def _translated_one(option: str, value: str) -> list[str]:
    """Return what an option with another form here becomes."""
    kind, *properties = value.split(",")
    match option.lstrip("-"), kind:
        case "accel", "tcg":
            return []
        case "accel", _:
            raise BadUsage(f"-accel {value}: invalid accelerator {kind}")
        case "chardev", "socket":
            fields = dict(item.partition("=")[::2] for item in properties)
            options = [f"{key}={fields[key]}" for key in ("server", "wait") if key in fields]
            return ["-qmp", ",".join((f"unix:{fields.get('path', '')}", *options))]
        case "mon", _ if "mode=control" in properties:
            return []
        case "monitor", _:
            return ["-monitor", value] if kind.startswith("unix:") else []
        case _:
            raise BadUsage(f"{option} {value}: not supported")


def _value(option: str, rest: Iterator[str]) -> str:
    value = next(rest, None)
    if value is None:
        raise BadUsage(f"{option}: requires an argument")
    return value
