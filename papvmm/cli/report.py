"""``papvmm report``: run a guest, and draw what the hypervisor did to its memory."""

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from papvmm.cli import run as run_command
from papvmm.cli.log_option import logged
from papvmm.cli.outcome import explain
from papvmm.cli.stderr import complain
from papvmm.cli.trace_file import traced
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.guest import FOREVER

if TYPE_CHECKING:
    from papvmm.observe.run import Run


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``papvmm run``, and where the report goes."""
    run_command.add_arguments(parser)
    parser.epilog = "instead of an ELF, the directory of papvmm record: then that run is replayed"
    parser.usage = "%(prog)s [-o DIR] [OPTION …] ELF|RECORDING"
    add = parser.add_argument
    add("-o", "--out", type=Path, default=Path("papvmm-report"), metavar="DIR",
        help="where report.html and report.txt go (default ./papvmm-report)")  # fmt: skip
    add("--text", action="store_true", help="print the text on stderr, too")


def run(args: Namespace) -> int:
    """Run the guest to its end, as ``papvmm run`` does, or replay it, and write the report."""
    if run_command.is_question(args):
        return run_command.run(args)
    from papvmm.observe.run import RunRecorder  # noqa: PLC0415 - a question need not wait

    if args.gdb is not None or args.s:
        raise BadUsage("-gdb: a debugger goes back in time; papvmm record the run, and report that")
    if args.image is not None and Path(args.image).is_dir():
        return _of_recording(args)
    guest = run_command.guest_from(args)
    recorder = RunRecorder(guest)
    outcome = run_command.run_to_its_end(guest, args, recorder.print)
    code = explain(outcome, guest)
    write(args.out, recorder.finish(outcome), to_stderr=args.text)
    return code


def _of_recording(args: Namespace) -> int:
    from papvmm.cli.replay import replayed, show  # noqa: PLC0415
    from papvmm.control.recording.directory import recorded  # noqa: PLC0415
    from papvmm.observe.run import RunRecorder  # noqa: PLC0415

    guest, log = recorded(Path(args.image), args.accel)
    recorder = RunRecorder(guest)

    def hear(characters: bytes) -> None:
        recorder.print(characters)
        show(characters)

    guest.console.output = hear
    with logged(guest, args), traced(guest, args.trace):
        code, outcome = replayed(guest, log, FOREVER)
    write(args.out, recorder.finish(outcome), to_stderr=args.text)
    return code


def write(directory: Path, run: "Run", *, to_stderr: bool) -> None:
    """Write the report in both forms, and say where it is."""
    from papvmm.observe.run_report import run_report  # noqa: PLC0415
    from papvmm.observe.run_text import run_text  # noqa: PLC0415

    text = run_text(run)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "report.html").write_text(run_report(run), encoding="utf-8")
        (directory / "report.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"the report can't be written: {error.filename}: {error.strerror}") from None
    if to_stderr:
        sys.stderr.write(text)
    complain(f"{run.headline}; the report is {directory / 'report.html'}")
