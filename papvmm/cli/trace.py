"""``papvmm trace``: run a guest, and write what happens to it as a Perfetto trace."""

from argparse import ArgumentParser, Namespace

from papvmm.cli import run as run_command


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options of ``papvmm run``, whose ``--trace`` is called ``-o`` here."""
    run_command.add_arguments(parser)
    parser.usage = "%(prog)s -o FILE.pftrace [OPTION …] ELF"
    parser.add_argument(
        "-o", dest="trace", required=True, metavar="FILE.pftrace",
        help="where the trace goes: ui.perfetto.dev shows it",
    )  # fmt: skip


def run(args: Namespace) -> int:
    """Run the guest to its end."""
    return run_command.run(args)
