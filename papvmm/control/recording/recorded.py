"""A recording as it was read, and a guest that does again what it tells of."""

from collections.abc import Iterator
from typing import Final

from papvmm.control.recording.frames import Kind, frames
from papvmm.control.recording.notes import (
    Call,
    End,
    Mark,
    call_of,
    read_calls,
    read_end,
    read_input,
    read_mark,
)
from papvmm.errors import BadInput
from papvmm.machine.guest import Guest
from papvmm.machine.outcome import Outcome, Quit
from papvmm.machine.player import Diverged, Noted, Player
from papvmm.machine.position import Position, last_at
from papvmm.machine.state import capture, digest_of
from papvmm.trace.events import HcallDone


class Log:
    """What the log of a recording tells; ``end`` is None where it breaks off."""

    def __init__(self, data: bytes, guest: Guest) -> None:
        self.tape: Final[list[Noted]] = []
        self.calls: Final[list[Call]] = []
        self.marks: Final[list[Mark]] = []
        self.end: End | None = None
        for kind, payload in frames(data):
            if self.end is not None:
                raise BadInput("log is damaged: it goes on after its end")
            match kind:
                case Kind.INPUT:
                    self.tape.append(read_input(payload, guest))
                case Kind.CALLS:
                    self.calls.extend(read_calls(payload))
                case Kind.MARK:
                    self.marks.append(read_mark(payload))
                case Kind.END:
                    self.end = read_end(payload)
        positions = [noted.position for noted in self.tape]
        if positions != sorted(positions) or self.marks != sorted(self.marks):
            raise BadInput("log is damaged: its order is not that of time")

    @property
    def last(self) -> Position:
        """The latest moment it tells of."""
        told = [noted.position for noted in self.tape[-1:]]
        told += [mark.position for mark in self.marks[-1:]]
        if self.end is not None:
            told.append(self.end.position)
        return max(told, default=Position(0, 0, 0, 0))

    @property
    def brink(self) -> Position:
        """The same, but before the instruction that ends the guest, if one does."""
        if self.end is None or self.end.why:
            return self.last
        return last_at(max(self.end.position.icount - 1, 0))


class Replay:
    """Has a guest, which is about to start, do again what a log tells of, and compares."""

    def __init__(self, guest: Guest, log: Log) -> None:
        self._guest: Final = guest
        self._log: Final = log
        self._player: Final = Player(guest)
        self._player.tape = log.tape
        self._made = 0
        guest.door.tracer.subscribe(HcallDone, self._compare)

    def run(self, until: int) -> Outcome | None:
        """Run to an instruction count, or to the end of the recording; return how it ended.

        None if it did not end before. Raises Diverged as soon as the guest does anything else
        than it did.
        """
        for mark in self._marks(until):
            happened = self._player.play(mark.position)
            if happened is not None:
                raise Diverged(self._player.here, f"log says it went on, guest: {happened}")
            self._check(mark)
        end = self._log.end
        if end is None:
            self._play(min(last_at(until), self._log.last))
            return None
        if until < end.position.icount:
            self._play(last_at(until))
            return None
        return self._finish(end)

    def _marks(self, until: int) -> Iterator[Mark]:
        return (mark for mark in self._log.marks if mark.position.icount <= until)

    def _play(self, goal: Position) -> None:
        happened = self._player.play(goal)
        if happened is not None:
            raise Diverged(self._player.here, f"log says it went on, guest: {happened}")

    def _finish(self, end: End) -> Outcome:
        """Play what is left, and compare how it ended."""
        if end.why:
            self._play(end.position)
            outcome: Outcome = Quit(end.why)
        else:
            last = end.position
            happened = self._player.play(Position(last.icount + 1, last.inputs, 0, 0))
            here = self._player.here
            if happened is None or type(happened).__name__ != end.outcome:
                raise Diverged(here, f"log says {end.outcome} {last}, guest: {happened}")
            self._player.take_due()
            outcome = happened
        self._check_calls(len(self._log.calls))
        if digest_of(self._guest) != end.digest:
            raise Diverged(self._player.here, "registers, devices or memory differ at the end")
        return outcome

    def _check(self, mark: Mark) -> None:
        self._check_calls(mark.calls)
        if capture(self._guest).digest != mark.digest:
            raise Diverged(self._player.here, "registers or devices differ from the log's")

    def _check_calls(self, number: int) -> None:
        if self._made < number:
            missed = self._log.calls[self._made]
            raise Diverged(
                self._player.here, f"log says {missed.name} @ {missed.icount:,}, guest did not"
            )

    def _compare(self, event: HcallDone) -> None:
        """Compare a hypercall with the log's, as far as that goes."""
        made, index = call_of(event), self._made
        self._made += 1
        if index < len(self._log.calls) and made != self._log.calls[index]:
            raise Diverged(self._player.here, _difference(self._log.calls[index], made))


def _difference(told: Call, made: Call) -> str:
    if told.name != made.name:
        return f"log says {told.name}, guest did {made.name}"
    if (told.icount, told.vcpu_id) != (made.icount, made.vcpu_id):
        return (
            f"log says {told.name} by vcpu{told.vcpu_id} @ {told.icount:,},"
            f" guest did it on vcpu{made.vcpu_id}"
        )
    return f"log says {told.name}, guest did it with other arguments, or got another answer"
