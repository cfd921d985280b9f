"""``papvmm bench``: measure guests on papvmm and, where it is installed, on QEMU."""

import json
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Final

from papvmm.cli.bench_run import (
    QEMU,
    Failed,
    papvmm_command,
    qemu_command,
    qemu_version,
    run_timed,
)
from papvmm.cli.exit_codes import ExitCode
from papvmm.engine.accel import ACCELERATORS, DEFAULT_ACCEL
from papvmm.errors import BadInput, BadUsage
from papvmm.observe.bench.as_json import as_json
from papvmm.observe.bench.catalogue import CATALOGUE, USUAL, Benchmark, Kind
from papvmm.observe.bench.figures import Comparison, Row, Sample
from papvmm.observe.bench.picture import picture
from papvmm.observe.bench.table import table

SCALES: Final = {"small": 100, "100M": 1000, "1G": 10_000}
"""Units of work; a unit is about 100,000 instructions, or some events."""

MOST_EVENTS: Final = SCALES["100M"]
"""Units of events that are enough at any scale: it is one event's time that matters."""


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm bench``."""
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="NAME",
        help="which benchmarks (default: all); --list names them",
    )
    add("--list", action="store_true", help="list the benchmarks")
    add("--accel", choices=sorted(ACCELERATORS), default=DEFAULT_ACCEL, help="papvmm's engine")
    add("-n", type=int, default=5, metavar="RUNS", help="runs of each, in pairs (default 5)")
    add("--scale", choices=tuple(SCALES),
        help="instructions of a run; small: 10 million (default small, native: 100M)")  # fmt: skip
    add("--cold", action="store_true",
        help="papvmm begins every run without code that it has compiled before")  # fmt: skip
    add("--json", action="store_true", help="print every run as JSON, and nothing else")
    add("--out", type=Path, metavar="DIR", help="write bench.json and, with QEMU, bench.svg there")
    parser.epilog = "exit code: 0 if every guest ran and both computed the same, 1 otherwise"


def run(args: Namespace) -> int:
    """Measure, and show what came of it."""
    if args.list:
        print("\n".join(CATALOGUE))
        return ExitCode.DONE
    comparison = measure(args)
    if args.out is not None:
        write_files(args.out, comparison)
    print(json.dumps(as_json(comparison), indent=1) if args.json else table(comparison))
    return ExitCode.DONE if comparison.good == comparison.rows else ExitCode.FINDING


def measure(args: Namespace) -> Comparison:
    """Run every benchmark that was asked for."""
    unknown = [name for name in args.names if name not in CATALOGUE]
    if unknown:
        raise BadUsage(f"there is no benchmark {unknown[0]!r}; papvmm bench --list names them")
    if args.n < 1:
        raise BadUsage(f"-n {args.n}: a median needs at least 1 run")
    scale = args.scale or ("100M" if args.accel == "native" else "small")
    qemu = qemu_version()
    if not qemu:
        print(f"papvmm: {QEMU} is not installed: papvmm's figures alone", file=sys.stderr)
    rows = tuple(
        row_of(benchmark, units_of(benchmark, scale), args, qemu=bool(qemu))
        for benchmark in map(CATALOGUE.__getitem__, args.names or USUAL)
    )
    tell("")
    return Comparison(args.accel, scale, args.n, qemu, rows, cold=args.cold)


def units_of(benchmark: Benchmark, scale: str) -> int:
    """Return how much work a benchmark is to do."""
    units = SCALES[scale]
    return min(units, MOST_EVENTS) if benchmark.kind is Kind.EVENT else units


def row_of(benchmark: Benchmark, units: int, args: Namespace, *, qemu: bool) -> Row:
    """Run a benchmark on papvmm and QEMU in turns."""
    commands = {"papvmm": papvmm_command(benchmark, units, args.accel)}
    if qemu:
        commands["QEMU"] = qemu_command(benchmark, units)
    runs: dict[str, list[Sample]] = {whose: [] for whose in commands}
    whose = "papvmm"
    try:
        if args.accel == "native" and not args.cold:
            tell(f"{benchmark.name}: a first run, which compiles")
            run_timed(commands["papvmm"])
        for number in range(args.n):
            tell(f"{benchmark.name}: run {number + 1} of {args.n}")
            for whose, command in commands.items():
                runs[whose].append(run_timed(command, cold=args.cold))
    except Failed as failure:
        return Row(benchmark, (), (), f"{whose}: {failure}")
    ours, theirs = runs["papvmm"], runs.get("QEMU", [])
    return Row(benchmark, tuple(ours), tuple(theirs), disagreement(runs))


def disagreement(runs: dict[str, list[Sample]]) -> str:
    """Say how checksums differ; empty if all are the same."""
    found = {whose: sorted({run.checksum for run in samples}) for whose, samples in runs.items()}
    if len({checksum for checksums in found.values() for checksum in checksums}) == 1:
        return ""
    told = (f"{whose} {' '.join(checksums)}" for whose, checksums in found.items())
    return f"checksums differ: {', '.join(told)}"


def tell(progress: str) -> None:
    """Say on stderr what runs; on a terminal in one line, which nothing ends."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{progress}")
        sys.stderr.flush()
    elif progress:
        print(f"papvmm: {progress}", file=sys.stderr)


def write_files(directory: Path, comparison: Comparison) -> None:
    """Write the figures and, if there is anything to compare, their picture."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(as_json(comparison), indent=1)
        (directory / "bench.json").write_text(f"{text}\n", encoding="utf-8")
        if any(row.theirs for row in comparison.good):
            (directory / "bench.svg").write_text(picture(comparison), encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the figures can't be written: {error}") from error
