"""``papvmm record``: run a guest, and record what makes its run what it is."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from papvmm.cli import run as plain
from papvmm.cli.outcome import explain
from papvmm.cli.stderr import complain
from papvmm.control.recording.directory import record
from papvmm.errors import BadUsage
from papvmm.machine.builder import boot


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``papvmm run``, and where to record to."""
    parser.add_argument("-o", metavar="DIR", required=True, dest="recording",
        help="directory to record into: a new one, or an empty one")  # fmt: skip
    plain.add_arguments(parser)
    parser.usage = "%(prog)s -o DIR [OPTION …] ELF"


def run(args: Namespace) -> int:
    """Run the guest to its end, and record it."""
    if plain.is_question(args):
        return plain.run(args)
    if args.incoming is not None:
        raise BadUsage("-incoming: what is recorded has to begin here")
    if args.gdb is not None or args.s:
        raise BadUsage("-gdb: record without a debugger, and papvmm replay with one")
    guest = boot(plain.config_from(args), complain)
    recorder = record(guest, Path(args.recording))
    outcome = plain.run_to_its_end(guest, args)
    recorder.finish(outcome)
    return explain(outcome, guest)
