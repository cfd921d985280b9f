"""``papvmm top``: watch a running guest."""

from argparse import ArgumentParser, Namespace
from importlib.util import find_spec
from shutil import get_terminal_size
from time import monotonic, sleep
from typing import Final

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.sampling import look
from papvmm.cli.stderr import complain
from papvmm.control.qmp.client import QmpClient
from papvmm.control.top.change import Change
from papvmm.control.top.screen import Panels, screen
from papvmm.control.top.table import plain
from papvmm.errors import BadUsage

LINES: Final = 10


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm top``."""
    add = parser.add_argument
    add("socket", metavar="SOCKET", help="control socket of the guest (run's -qmp unix:SOCKET)")
    add("--once", action="store_true", help="print one screen, and no more")
    add("--interval", type=options.seconds, default=1.0, metavar="SECONDS",
        help="host time between two looks (default 1)")  # fmt: skip


def run(args: Namespace) -> int:
    """Show the guest until the user has seen enough, or once."""
    if args.once:
        with QmpClient(args.socket) as qmp:
            print(once(qmp, args.interval))
        return ExitCode.DONE
    if find_spec("textual") is None:
        raise BadUsage(
            "papvmm top needs textual, which is not installed: pip install 'papvmm[tui]';"
            " --once needs nothing"
        )
    from papvmm.cli.top_app import TopApp  # noqa: PLC0415 - it takes a second

    with QmpClient(args.socket) as qmp:
        why = TopApp(qmp, args.interval).run()
    if why is not None:
        complain(why)
    return ExitCode.DONE


def once(qmp: QmpClient, interval: float) -> str:
    """Return one screen: what happened in an interval."""
    before, began = look(qmp, LINES), monotonic()
    sleep(interval)
    change = Change(before, look(qmp, LINES), monotonic() - began)
    return plain(screen(change, get_terminal_size().columns, Panels(LINES, LINES)))
