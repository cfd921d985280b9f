"""``papvmm restore``: go on with a saved guest."""

from argparse import ArgumentParser, Namespace

from papvmm.cli.run import add_host_arguments, run_guest
from papvmm.control.snapshot.load import load, named_save


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm restore``: what ``run`` has, but for the machine itself."""
    parser.add_argument(
        "directory", metavar="DIR[@N]", help="where papvmm save put the guest; @N: an earlier save"
    )
    parser.usage = "%(prog)s [OPTION …] DIR[@N]"
    add_host_arguments(parser)
    parser.set_defaults(incoming=None)


def run(args: Namespace) -> int:
    """Load the guest and run it to its end."""
    directory, number = named_save(args.directory)
    return run_guest(load(directory, args.accel, number), args)
