"""``papvmm demo``: run a demonstration's two scenes, show the result, write a report."""

import json
import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.loop import run_loop
from papvmm.control.snapshot.load import load
from papvmm.control.snapshot.save import save
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.guest import Guest
from papvmm.observe.as_json import as_json
from papvmm.observe.demonstrations import DEMONSTRATIONS, commands
from papvmm.observe.exhibit import Demonstration, Exhibit
from papvmm.observe.linux_demonstration import APPEND, TITLE, linux
from papvmm.observe.picture import picture
from papvmm.observe.report import report
from papvmm.observe.stage import perform
from papvmm.observe.text import Paint, coloured, draw, plain

LINUX: Final = "linux"
"""The demonstration that needs a kernel of the user's."""

ASCII: Final = str.maketrans({"█": "#", "▒": "+", "░": ":", "·": ".", "✗": "X", "✓": "OK", "─": "-",
                              "→": "->", "←": "<-", "…": "..."})  # fmt: skip
"""For terminals that can't show the text as it is."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm demo``."""
    add = parser.add_argument
    add("name", nargs="?", default="reboot", choices=(*DEMONSTRATIONS, LINUX), metavar="NAME",
        help="which one (default reboot); --list names them")  # fmt: skip
    add("--list", action="store_true", help="list the demonstrations")
    add("--json", action="store_true", help="print the result as JSON, and nothing else")
    add("--out", type=Path, default=Path("papvmm-demo"), metavar="DIR",
        help="where report.html, demo.svg and the guests go (default ./papvmm-demo)")  # fmt: skip
    linux = parser.add_argument_group("papvmm demo linux")
    add = linux.add_argument
    add("--kernel", metavar="VMLINUX", help="a Linux kernel for ppc64: the vmlinux of Debian, say")
    add("--initrd", metavar="FILE",
        help="initial RAM disk that reboots by itself (default: one of papvmm's, which turns on"
        " the dispatch trace log before)")  # fmt: skip
    add("--append", metavar="TEXT", default=APPEND, help=f"command line (default {APPEND!r})")
    add("--smp", type=options.cpu_count, default=1, metavar="N", help="vcpus (default 1)")
    add("-m", type=options.memory_size, default=256 << 20, metavar="SIZE",
        help="RAM, in MiB or with a K, M or G (default 256)")  # fmt: skip
    parser.epilog = "exit code: 0 if the harm shows and the cure cures, 1 otherwise"


def run(args: Namespace) -> int:
    """Run the demonstration."""
    if args.list:
        print(listing())
        return ExitCode.DONE
    demonstration = chosen(args)
    exhibit = run_loop(lambda: perform(demonstration, carry, tell))
    tell("")
    write_files(args.out, exhibit)
    if args.json:
        print(json.dumps(as_json(exhibit), indent=1))
    else:
        by_hand, *_ = commands(exhibit, args.out.as_posix())
        show(draw(exhibit, f"{args.out}/report.html", by_hand, paint_for_stdout()))
    return ExitCode.DONE if exhibit.convinces else ExitCode.FINDING


def chosen(args: Namespace) -> Demonstration:
    """Return the demonstration that the arguments ask for."""
    if args.name != LINUX:
        if args.kernel or args.initrd:
            raise BadUsage(f"--kernel and --initrd are for papvmm demo {LINUX}")
        return DEMONSTRATIONS[args.name]()
    if args.kernel is None:
        raise BadUsage(
            f"papvmm demo {LINUX} needs --kernel VMLINUX, a Linux kernel for ppc64; in a checkout,"
            " tools/fetch-debian-kernel fetches one"
        )
    return linux(
        options.read_file(args.kernel),
        options.read_file(args.initrd) if args.initrd else None,
        append=args.append,
        vcpus=args.smp,
        memory_size=args.m,
    )


def carry(guest: Guest) -> tuple[Guest, tuple[str, ...]]:
    """Save a guest and restore it, as ``papvmm save`` and ``papvmm restore`` do."""
    with TemporaryDirectory() as directory:
        saved = Path(directory) / "guest"
        notes = save(guest, saved)
        return load(saved), notes


def listing() -> str:
    """Return one line a demonstration."""
    rows = [(name, make().title) for name, make in DEMONSTRATIONS.items()]
    rows.append((LINUX, f"{TITLE}: needs --kernel VMLINUX"))
    return "\n".join(f"{name:<14}{title}" for name, title in rows)


def tell(scene: str) -> None:
    """Say on a terminal which scene runs; nothing ends that."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{f'running: {scene} …' if scene else ''}")
        sys.stderr.flush()


def write_files(directory: Path, exhibit: Exhibit) -> None:
    """Write the report, its picture and the guests it speaks of."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for file in exhibit.demonstration.files:
            (directory / file.name).write_bytes(file.data)
        text = report(exhibit, commands(exhibit, directory.as_posix()))
        (directory / "report.html").write_text(text, encoding="utf-8")
        (directory / "demo.svg").write_text(picture(exhibit), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the report can't be written: {error.filename}: {error.strerror}") from None


def paint_for_stdout() -> Paint:
    """Return colours for a terminal whose owner wants them, see no-color.org."""
    return coloured if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else plain


def show(text: str) -> None:
    """Print a text, in ASCII where stdout can't show it."""
    try:
        text.encode(sys.stdout.encoding)
    except UnicodeEncodeError:
        text = text.translate(ASCII)
    print(text)
