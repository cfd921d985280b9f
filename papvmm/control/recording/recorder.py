"""Recording a guest: what reaches it from outside goes into a log, with what it did.

What it did would not be needed to do it again. It says whether the same was done again, and if
not, where that began.
"""

import os
from time import monotonic
from typing import Final

from papvmm.control.recording.frames import MAGIC, Kind, frame
from papvmm.control.recording.notes import (
    Call,
    End,
    Mark,
    call_of,
    calls_payload,
    end_payload,
    input_payload,
    mark_payload,
)
from papvmm.errors import BadInput
from papvmm.machine.guest import Guest
from papvmm.machine.inputs import Input
from papvmm.machine.outcome import Outcome, Quit
from papvmm.machine.player import Player
from papvmm.machine.state import capture, digest_of
from papvmm.trace.events import HcallDone
from papvmm.vcpu.vcpu import Vcpu

WRITTEN: Final = 0.05
"""Seconds after which an input is in the file, at most."""
MARKED: Final = 1.0
"""Seconds between two marks."""


class Recorder:
    """Writes the log of a guest that is about to start into a file, an open descriptor."""

    is_past: Final = False
    """A guest that is recorded can't be put back."""
    is_due: Final = False
    """Any moment will do for what is written."""

    def __init__(self, guest: Guest, file: int) -> None:
        self._player: Final = Player(guest)
        self._guest: Final = guest
        self._file: Final = file
        self._waiting: Final = bytearray(MAGIC)
        self._calls: Final[list[Call]] = []
        self._total = 0
        self._write_at = self._mark_at = 0.0
        guest.door.tracer.subscribe(HcallDone, lambda event: self._calls.append(call_of(event)))
        guest.history = self

    def go_on(self, icount: int, until: Vcpu | None = None) -> Outcome | None:
        """Do again what the guest did: a guest that is recorded has not gone back."""
        raise AssertionError(f"no past to go on in, up to {icount} or {until}")

    def note(self, given: Input) -> None:
        """Be told of an input that is about to be taken."""
        self._player.note(given)
        self._add(Kind.INPUT, input_payload(self._player.tape[-1]))

    def tick(self) -> None:
        """Write what waits, and a mark now and then."""
        now = monotonic()
        if now >= self._mark_at:
            self._mark_at = now + MARKED
            self._add_calls()
            mark = Mark(self._player.here, self._total, capture(self._guest).digest)
            self._add(Kind.MARK, mark_payload(mark))
        if now >= self._write_at:
            self._write_at = now + WRITTEN
            self._write()

    def finish(self, outcome: Outcome) -> None:
        """Write how the run has ended, and close the file."""
        self._add_calls()
        why = outcome.why if isinstance(outcome, Quit) else ""
        end = End(self._player.here, type(outcome).__name__, why, digest_of(self._guest))
        self._add(Kind.END, end_payload(end))
        self._write()
        os.close(self._file)

    def _add_calls(self) -> None:
        if self._calls:
            self._add(Kind.CALLS, calls_payload(self._calls))
            self._total += len(self._calls)
            self._calls.clear()

    def _add(self, kind: Kind, payload: bytes) -> None:
        self._waiting.extend(frame(kind, payload))

    def _write(self) -> None:
        try:
            while self._waiting:
                del self._waiting[: os.write(self._file, self._waiting)]
        except OSError as error:
            raise BadInput(f"the log can't be written: {error.strerror}") from None
