"""``papvmm restore``: go on with a saved guest."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from papvmm.cli.run import add_host_arguments, run_guest
from papvmm.control.snapshot.load import load


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm restore``: what ``run`` has, but for the machine itself."""
    parser.add_argument("directory", metavar="DIR", help="where papvmm save put the guest")
    add_host_arguments(parser)
    parser.set_defaults(incoming=None)


def run(args: Namespace) -> int:
    """Load the guest and run it to its end."""
    return run_guest(load(Path(args.directory), args.accel), args)
