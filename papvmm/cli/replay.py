"""``papvmm replay``: do again what a recorded guest did, and see that it is the same."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.outcome import explain
from papvmm.cli.stderr import complain
from papvmm.control.recording.directory import recorded
from papvmm.control.recording.recorded import Replay
from papvmm.engine.accel import ACCELERATORS, DEFAULT_ACCEL
from papvmm.machine.guest import FOREVER
from papvmm.machine.player import Diverged


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm replay``."""
    add = parser.add_argument
    add("recording", metavar="DIR", help="directory of papvmm record")
    add("--until", type=options.number, default=FOREVER, metavar="ICOUNT",
        help="stop when so many instructions have been completed")  # fmt: skip
    add("-accel", type=options.one_of("an engine", *ACCELERATORS), default=DEFAULT_ACCEL,
        help=f"{' or '.join(ACCELERATORS)} (default {DEFAULT_ACCEL})")  # fmt: skip


def run(args: Namespace) -> ExitCode:
    """Replay to the end of the recording; a divergence is a finding."""
    guest, log = recorded(Path(args.recording), args.accel)
    guest.console.output = _show
    try:
        outcome = Replay(guest, log).run(args.until)
    except Diverged as divergence:
        complain(str(divergence))
        return ExitCode.FINDING
    if outcome is not None:
        return explain(outcome, guest)
    if log.end is None and guest.clock.icount < args.until:
        complain(f"the recording breaks off @ {guest.clock.icount:,}: its run was killed")
    else:
        complain(f"stopped @ {guest.clock.icount:,}, as --until asks")
    return ExitCode.DONE


def _show(characters: bytes) -> None:
    while characters:
        characters = characters[os.write(sys.stdout.fileno(), characters) :]
