"""The Python engine: it interprets guest code."""

from typing import Final

from papvmm.engine.python.access import OUT_OF_RANGE, fetcher
from papvmm.engine.python.handlers import Operation, operation
from papvmm.engine.stops import Stop, StopReason
from papvmm.isa.decode import decode
from papvmm.isa.ir import Exit
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE, MSR_PR, MSR_SF
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.memory.guest_memory import GuestMemory

_CIA: Final = CIA.offset // 8
_NOW: Final = NOW.offset // 8
_MSR: Final = MSR.offset // 8

WORDS: Final = 1 << 16
"""Prepared words kept for each mode."""


class Mode:
    """What is derived from code for one byte order, privilege and width of addresses."""

    def __init__(self, *, little_endian: bool, problem_state: bool, sf: bool) -> None:
        self.fetch: Final = fetcher(little_endian=little_endian)
        self.operations: Final[dict[int, Operation]] = {}
        self._little_endian: Final = little_endian
        self._problem_state: Final = problem_state
        self._sf: Final = sf

    def prepare(self, word: int) -> Operation | None:
        """Return what executes a word, or None if it is none of our instructions."""
        decoded = decode(word)
        if decoded is None:
            return None
        template = decoded.instruction.template(
            decoded.statics, problem_state=self._problem_state, sf=self._sf
        )
        if len(self.operations) == WORDS:
            self.operations.clear()
        prepared = operation(decoded, template, little_endian=self._little_endian)
        self.operations[word] = prepared
        return prepared


class PythonExecutor:
    """Runs one vcpu on guest RAM. See ``Executor``."""

    def __init__(self, state: ArchState, memory: GuestMemory) -> None:
        self.state: Final = state
        self.breakpoints: Final[set[int]] = set()
        self._memory: Final = memory
        self._q: Final = state.buffer.cast("Q")
        self._modes: Final[dict[int, Mode]] = {}

    def run(self, budget: int) -> StopReason:
        """Run ``budget`` instructions, or to the first exit."""
        msr = self._q[_MSR]
        if msr & (MSR_IR | MSR_DR):
            return Stop.ODD
        return self._interpret(self._mode(msr), self._q[_NOW], budget)

    def _mode(self, msr: int) -> Mode:
        key = msr & (MSR_LE | MSR_PR | MSR_SF)
        mode = self._modes.get(key)
        if mode is None:
            mode = self._modes[key] = Mode(
                little_endian=bool(key & MSR_LE),
                problem_state=bool(key & MSR_PR),
                sf=bool(key & MSR_SF),
            )
        return mode

    def _interpret(self, mode: Mode, start: int, budget: int) -> StopReason:
        """Run ``budget`` instructions one by one, or to the first exit."""
        q, b, ram, code = self._q, self.state.buffer, self._memory.ram, self._memory.code
        fetch, known, stops = mode.fetch, mode.operations.get, self.breakpoints
        cia, now = q[_CIA], start
        stop: StopReason = Stop.BUDGET
        completed = 1
        try:
            for now in range(start, start + budget):
                (word,) = fetch(ram, cia)
                prepared = known(word) or mode.prepare(word)
                if prepared is None:
                    stop, completed = Stop.ODD, 0
                    break
                nia = prepared[0](q, b, ram, code, cia, now, prepared[1])
                if nia is None:
                    cia += 4
                elif nia >= 0:
                    cia = nia
                else:
                    return self._leave(-nia, cia, now)
                if cia in stops:
                    stop = Stop.BREAKPOINT
                    break
        except OUT_OF_RANGE:
            stop, completed = Stop.ODD, 0
        q[_CIA] = cia
        q[_NOW] = now + completed
        return stop

    def _leave(self, number: int, cia: int, now: int) -> StopReason:
        """Settle CIA and NOW for an instruction that stops."""
        stop: StopReason = Stop(number) if number >= Stop.BUDGET else Exit(number)
        completes = isinstance(stop, Exit) and stop.completes
        if not completes:
            self._q[_CIA] = cia
        self._q[_NOW] = now + completes
        return stop
