"""``papvmm migrate``: send a running guest to another process, or into a file."""

import sys
import time
from argparse import ArgumentParser, Namespace
from typing import Final

from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.stderr import complain
from papvmm.control.qmp.client import CommandFailed, QmpClient
from papvmm.control.strict_json import Json, Object
from papvmm.errors import BadInput

GLANCE: Final = 0.05
"""Seconds between two looks at how far it is."""
MIB: Final = 1 << 20


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm migrate``."""
    add = parser.add_argument
    add("socket", metavar="SOCKET", help="control socket of the guest (run's -qmp unix:SOCKET)")
    add("uri", metavar="URI",
        help="where papvmm run -incoming URI waits for it: unix:PATH, tcp:HOST:PORT,"
        " exec:COMMAND; or file:PATH")  # fmt: skip
    add("--keep", action="store_true", help="let the process that had the guest go on without it")


def run(args: Namespace) -> int:
    """Send the guest away, and say how it went; the process that had it ends."""
    with QmpClient(args.socket) as qmp:
        try:
            qmp.execute("migrate", uri=args.uri)
            info = _watch(qmp)
            if info.get("status") == "completed" and not args.keep:
                qmp.execute("quit")
        except CommandFailed as error:
            raise BadInput(str(error)) from None
    if info.get("status") != "completed":
        complain(
            f"the guest did not go to {args.uri}: {info.get('error-desc', 'it was cancelled')}"
        )
        return ExitCode.FINDING
    print(f"down for {info.get('downtime')} ms, {info.get('total-time')} ms in all")
    return ExitCode.DONE


def _watch(qmp: QmpClient) -> Object:
    """Wait until it is over; show people how far it is."""
    while True:
        info = qmp.execute("query-migrate")
        if not isinstance(info, dict):
            raise BadInput("the server does not tell how far the migration is")
        is_over = info.get("status") in ("completed", "failed", "cancelled")
        if sys.stderr.isatty():
            print(f"\r{_progress(info.get('ram'))}\x1b[K", end="\n" * is_over, file=sys.stderr)
        if is_over:
            return info
        time.sleep(GLANCE)


def _progress(ram: Json) -> str:
    match ram:
        case {"transferred": int(sent), "remaining": int(left), "dirty-sync-count": int(passes)}:
            return f"pass {passes + 1}: {sent // MIB} MiB sent, {left // MIB} MiB left"
        case _:
            return ""
