"""A guest on its host: console, signals and a time limit, with an event loop or without."""

import signal
from argparse import Namespace
from collections.abc import Callable
from time import monotonic
from types import FrameType
from typing import TYPE_CHECKING, Final

from papvmm.cli.options import DEBUGGER, gdb_address
from papvmm.cli.output import Output
from papvmm.cli.stderr import complain
from papvmm.cli.stdin import Stdin
from papvmm.machine.ahead import run_ahead
from papvmm.machine.guest import Guest
from papvmm.machine.host_clock import Pace
from papvmm.machine.inputs import Keys
from papvmm.machine.missing import Missing
from papvmm.machine.outcome import Outcome, Quit
from papvmm.trace.events import MachineReset

if TYPE_CHECKING:
    from papvmm.control.gdb.address import GdbAddress

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that end a guest; the terminal is as it was when papvmm has gone."""


class Session:
    """One run of a guest, from where it is to its end.

    Until the event loop takes over, signals are noted, and ``end`` says what they ask for.
    ``hear`` gets what the guest prints, before stdout does, and ``say`` at once what it asks for
    that there isn't.
    """

    def __init__(
        self,
        guest: Guest,
        args: Namespace,
        hear: Callable[[bytes], None] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        self.guest: Final = guest
        self.args: Final = args
        self.stdin: Final = Stdin(raw=args.nographic or args.serial.startswith("mon:"))
        self.output: Final = Output(self._hold, self._lose)
        self.has_console: Final[bool] = args.serial != "none"
        self.deadline: Final = None if args.timeout is None else monotonic() + args.timeout
        self.missing: Final = Missing(guest, say or (lambda _: None), everything=say is not None)
        self._end = ""
        if self.has_console:
            guest.console.output = self.output.write if hear is None else self._and(hear)
            if self.stdin.is_file:
                guest.take(Keys(self.stdin.read_all()))
        guest.door.tracer.subscribe(MachineReset, lambda _: self._mention_refusals())
        for caught in ENDING:
            signal.signal(caught, self._note)

    @property
    def is_alone(self) -> bool:
        """Whether nobody but the guest decides when it runs, and nobody watches it."""
        paused = self.args.S or self.guest.config.may_pause
        others = self.is_controlled or self.is_measured or self.args.incoming is not None
        return not (others or paused or self.pace is Pace.ALWAYS)

    @property
    def is_controlled(self) -> bool:
        """Whether somebody may connect, and wake a guest that waits for ever."""
        args = self.args
        return args.qmp is not None or args.monitor is not None or self.gdb is not None

    @property
    def is_measured(self) -> bool:
        """Whether others are to have metrics of it."""
        return self.args.metrics is not None or self.args.metrics_file is not None

    @property
    def gdb(self) -> "GdbAddress | None":
        """Where to listen for a debugger, if at all."""
        given: GdbAddress | None = self.args.gdb
        return gdb_address(DEBUGGER) if given is None and self.args.s else given

    @property
    def pace(self) -> Pace:
        """When virtual time waits for the host's."""
        if self.args.clock == "host":
            return Pace.ALWAYS
        return Pace.IDLE if self.stdin.is_terminal else Pace.NEVER

    @property
    def end(self) -> str:
        """Why the guest is to end before it does, as in ``Quit``; empty if it is not."""
        if not self._end and self.deadline is not None and monotonic() >= self.deadline:
            self._end = "timeout"
        return self._end

    def run_ahead(self) -> Outcome | None:
        """Run the guest without an event loop, to its end or until it needs one."""
        outcome = run_ahead(self.guest, self._is_wanted, pace=self.pace)
        return Quit(self.end) if outcome is None and self.end else outcome

    def _is_wanted(self) -> bool:
        """Tell whether there is anything to do but to run the guest."""
        waits = self.has_console and self.stdin.has_come()
        return waits or self.output.is_full or bool(self.end)

    def _and(self, hear: Callable[[bytes], None]) -> Callable[[bytes], None]:
        def show(characters: bytes) -> None:
            hear(characters)
            self.output.write(characters)

        return show

    def _hold(self, held: bool) -> None:  # noqa: FBT001 - a callback
        self.guest.heed = held

    def _lose(self, error: OSError) -> None:
        mention_loss(error)
        self._end = "stdout"
        self.guest.heed = True

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._end = signal.Signals(number).name

    def _mention_refusals(self) -> None:
        """Say which areas a reset could not take back."""
        for refusal in self.guest.refusals:
            complain(str(refusal))


def mention_loss(error: OSError) -> None:
    """Say that nobody can have the guest's output; a reader that left knows that."""
    if not isinstance(error, BrokenPipeError):
        complain(f"the guest's output: {error.strerror}")
