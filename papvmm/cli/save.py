"""``papvmm save``: save a running guest to a directory."""

import os
import sys
from argparse import ArgumentParser, Namespace

from papvmm.cli.exit_codes import ExitCode
from papvmm.control.qmp.client import CommandFailed, QmpClient
from papvmm.errors import BadInput


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm save``."""
    add = parser.add_argument
    add("socket", metavar="SOCKET", help="control socket of the guest (run's -qmp unix:SOCKET)")
    add("directory", metavar="DIR", help="where to; a guest saved there before is replaced")
    add("--quit", action="store_true", help="end the guest where it was saved: hibernate it")


def run(args: Namespace) -> int:
    """Have the guest saved; it goes on afterwards unless --quit is given."""
    with QmpClient(args.socket) as qmp:
        try:
            if args.quit:
                hibernate(qmp, args.directory)
            else:
                save(qmp, args.directory)
        except CommandFailed as error:
            raise BadInput(str(error)) from None
    return ExitCode.DONE


def hibernate(qmp: QmpClient, directory: str) -> None:
    """Save the guest and end it, so that it does nothing that the saved one does again."""
    status = qmp.execute("query-status")
    qmp.execute("stop")
    try:
        save(qmp, directory)
    except CommandFailed:
        if isinstance(status, dict) and status.get("running"):
            qmp.execute("cont")
        raise
    qmp.execute("quit")


def save(qmp: QmpClient, directory: str) -> None:
    """Save the guest, and say on stderr what the saved one lacks."""
    qmp.wait(None)
    answer = qmp.execute("x-papvmm-save", directory=os.path.abspath(directory))
    match answer:
        case {"notes": [*notes]}:
            for note in notes:
                print(f"papvmm: note: {note}", file=sys.stderr)
        case _:
            pass
