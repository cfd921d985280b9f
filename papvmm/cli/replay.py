"""``papvmm replay``: do again what a recorded guest did, and see that it is the same."""

import os
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from papvmm.cli import options
from papvmm.cli.exit_codes import ExitCode
from papvmm.cli.log_option import add_log_arguments, logged
from papvmm.cli.outcome import explain
from papvmm.cli.run import add_host_arguments, run_guest
from papvmm.cli.stderr import complain
from papvmm.cli.trace_file import traced
from papvmm.control.recording.directory import recorded
from papvmm.control.recording.recorded import Log, Replay
from papvmm.engine.accel import ACCELERATORS, DEFAULT_ACCEL
from papvmm.errors import BadUsage
from papvmm.machine.guest import FOREVER, Guest
from papvmm.machine.missing import Missing
from papvmm.machine.outcome import Outcome, Paused
from papvmm.machine.player import Diverged


def add_arguments(parser: ArgumentParser) -> None:
    """Add the arguments of ``papvmm replay``."""
    add = parser.add_argument
    add("recording", metavar="DIR", help="directory of papvmm record")
    add("--until", type=options.number, metavar="ICOUNT",
        help="stop when so many instructions are done; a debugger begins there")  # fmt: skip
    add("-accel", type=options.one_of("an engine", *ACCELERATORS), default=DEFAULT_ACCEL,
        help=f"{' or '.join(ACCELERATORS)} (default {DEFAULT_ACCEL})")  # fmt: skip
    add("-gdb", "--gdb", type=options.gdb_address, metavar="unix:PATH|tcp:[HOST]:PORT",
        help="wait for a debugger, which goes forth and back in the recording")  # fmt: skip
    add("-s", action="store_true", help=f"the same as -gdb {options.DEBUGGER}")
    add("-qmp", type=options.socket_address("-qmp"), metavar="unix:PATH", help="control socket")
    add_log_arguments(parser)


def run(args: Namespace) -> int:
    """Replay to the end of the recording; a divergence is a finding."""
    guest, log = recorded(Path(args.recording), args.accel)
    guest.console.output = show
    if args.gdb is not None or args.s or args.qmp is not None:
        if args.d or args.trace is not None:
            raise BadUsage("-d and --trace tell a replay from its beginning to its end: leave them"
                           " out, or the debugger and QMP")  # fmt: skip
        return steered(guest, log, args)
    with logged(guest, args) as say, traced(guest, args.trace):
        if say is not None:
            Missing(guest, say, everything=True)
        code, _ = replayed(guest, log, FOREVER if args.until is None else args.until)
    return code


def replayed(guest: Guest, log: Log, until: int) -> tuple[int, Outcome]:
    """Replay, and say how that ended; return the exit code, too."""
    try:
        outcome = Replay(guest, log).run(until)
    except Diverged as divergence:
        complain(str(divergence))
        return ExitCode.FINDING, Paused("replay diverged")
    if outcome is not None:
        return explain(outcome, guest), outcome
    if log.end is None and guest.clock.icount < until:
        complain(f"the recording breaks off @ {guest.clock.icount:,}: its run was killed")
        return ExitCode.DONE, Paused("the recording breaks off")
    complain(f"stopped @ {guest.clock.icount:,}, as --until asks")
    return ExitCode.DONE, Paused("limit")


def steered(guest: Guest, log: Log, args: Namespace) -> int:
    """Let a debugger, or a QMP client, steer a guest that has the recording for a future."""
    from papvmm.machine.history import History  # noqa: PLC0415 - few do

    history = History(guest, log.tape, log.brink)
    if args.until is not None:
        history.seek(args.until)
    host = ArgumentParser()
    add_host_arguments(host)
    plain = vars(host.parse_args([]))
    mine = {"S": True, "serial": "none", "gdb": args.gdb, "s": args.s, "qmp": args.qmp}
    return run_guest(guest, Namespace(**plain | mine | {"incoming": None}))


def show(characters: bytes) -> None:
    """Write what the guest prints to stdout."""
    while characters:
        characters = characters[os.write(sys.stdout.fileno(), characters) :]
