"""The Python engine: it interprets cold code, and runs hot code as generated Python."""

from typing import Final

from papvmm.engine.python.access import OUT_OF_RANGE, fetcher
from papvmm.engine.python.code_cache import CodeCache
from papvmm.engine.python.handlers import Operation, operation
from papvmm.engine.python.traces import Step, Trace, compile_trace
from papvmm.engine.stops import FOREVER, Stop, StopReason
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.exit import Exit
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE, MSR_PR, MSR_SF
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.memory.guest_memory import GuestMemory

_CIA: Final = CIA.offset // 8
_NOW: Final = NOW.offset // 8
_MSR: Final = MSR.offset // 8

HOT: Final = 16
"""Code that was branched to so often is compiled."""
LONGEST: Final = 64
"""Instructions in a trace, at most."""
SHORTEST: Final = 3
"""Less is not worth calling a function for, unless it is a loop."""
WORDS: Final = 1 << 16
"""Prepared words, addresses watched for heat, and traces at hand, in each mode."""

MODE_BITS: Final = MSR_SF | MSR_LE | MSR_PR
"""What of the MSR the meaning of code depends on, in real mode."""


def _never(*_: object) -> int:
    raise AssertionError("longer than any budget")


NO_TRACE: Final = Trace(_never, 1 << 100, frozenset())
"""Longer than any budget."""
"""Stands for code that is not worth a trace, or has a breakpoint in it."""


class Mode:
    """What one vcpu derives from code for one byte order, privilege and width of addresses."""

    def __init__(self, key: int) -> None:
        self.key: Final = key
        self.little_endian: Final = bool(key & MSR_LE)
        self.fetch: Final = fetcher(little_endian=self.little_endian)
        self.operations: Final[dict[int, Operation]] = {}
        self.heat: Final[dict[int, int]] = {}
        self.traces: Final[dict[int, Trace]] = {}

    def understand(self, word: int) -> tuple[Decoded, Template] | None:
        """Return what a word means, or None if it is no instruction."""
        decoded = decode(word)
        if decoded is None:
            return None
        template = decoded.instruction.template(
            decoded.statics, problem_state=bool(self.key & MSR_PR), sf=bool(self.key & MSR_SF)
        )
        return decoded, template

    def prepare(self, word: int) -> Operation | None:
        """Return what executes a word, or None if it is no instruction."""
        understood = self.understand(word)
        if understood is None:
            return None
        if len(self.operations) == WORDS:
            self.operations.clear()
        prepared = operation(*understood, little_endian=self.little_endian)
        self.operations[word] = prepared
        return prepared

    def keep(self, cia: int, trace: Trace) -> None:
        """Run this trace whenever execution comes to ``cia``."""
        if len(self.traces) == WORDS:
            self.forget()
        self.traces[cia] = trace
        if trace is NO_TRACE:
            self.heat[cia] = -FOREVER

    def forget(self) -> None:
        """Let go of all traces."""
        for cia, trace in self.traces.items():
            if trace is NO_TRACE:
                self.heat[cia] = 0
        self.traces.clear()

    def warm(self, cia: int) -> int:
        """Count that code was branched to."""
        if len(self.heat) == WORDS:
            self.heat.clear()
        heat = self.heat[cia] = self.heat.get(cia, 0) + 1
        return heat


class PythonExecutor:
    """Runs one vcpu on guest RAM. See ``Executor``."""

    def __init__(
        self, state: ArchState, memory: GuestMemory, cache: CodeCache, *, hot: int = HOT
    ) -> None:
        self.state: Final = state
        self.breakpoints: Final[set[int]] = set()
        self._memory: Final = memory
        self._cache: Final = cache
        self._hot: Final = hot
        self._q: Final = state.doublewords
        self._modes: Final[dict[int, Mode]] = {}
        self._avoided: set[int] = set()
        self._generation = 0

    def run(self, budget: int) -> StopReason:
        """Run ``budget`` instructions, or to the first exit."""
        q = self._q
        msr = q[_MSR]
        if msr & (MSR_IR | MSR_DR):
            return Stop.ODD
        if self._generation != self._cache.generation or self._avoided != self.breakpoints:
            self._look_again()
        key = msr & MODE_BITS
        mode = self._modes.get(key) or self._modes.setdefault(key, Mode(key))
        return self._run(mode, q[_NOW] + budget)

    def _run(self, mode: Mode, end: int) -> StopReason:
        """Run until NOW is ``end``, or to the first exit."""
        q, b, ram, code = self._q, self.state.buffer, self._memory.ram, self._memory.code
        traces, stops = mode.traces, self.breakpoints
        stop: StopReason | None = None
        while stop is None:
            left = end - q[_NOW]
            cia = q[_CIA]
            trace = traces.get(cia, NO_TRACE)
            if trace.length <= left:
                number = trace.function(q, b, ram, code, left)
                if number:
                    stop = _stop(number)
                elif q[_CIA] in stops:
                    stop = Stop.BREAKPOINT
            elif not left:
                stop = Stop.BUDGET
            elif left >= LONGEST and cia not in traces and mode.warm(cia) > self._hot:
                stop = self._record(mode)
            else:
                stop = self._interpret(mode, left)
        return stop

    def _look_again(self) -> None:
        """Let go of traces that have been dropped, or that breakpoints have come into."""
        self._generation = self._cache.generation
        self._avoided = set(self.breakpoints)
        for mode in self._modes.values():
            mode.forget()

    def _record(self, mode: Mode) -> StopReason | None:
        """Interpret what comes next, and make a trace of it for the next time."""
        head = self._q[_CIA]
        trace = self._cache.find((mode.key, head))
        stop = None
        if trace is None:
            steps: list[Step] = []
            stop = self._interpret(mode, LONGEST, steps)
            trace = self._compile(mode, steps)
        if self._generation != self._cache.generation:
            self._look_again()
        if not self.breakpoints.isdisjoint(trace.addresses):
            trace = NO_TRACE
        mode.keep(head, trace)
        return None if stop is Stop.BUDGET else stop

    def _compile(self, mode: Mode, steps: list[Step]) -> Trace:
        """Return the trace for a path, or ``NO_TRACE`` if it is not worth it."""
        is_loop = bool(steps) and steps[0].cia == steps[-1].nia
        addresses = [step.cia for step in steps]
        if (not is_loop and len(steps) < SHORTEST) or self._cache.is_rewritten(addresses):
            return NO_TRACE
        meanings = []
        for step in steps:
            understood = mode.understand(step.word)
            if understood is None or mode.fetch(self._memory.ram, step.cia) != (step.word,):
                return NO_TRACE
            meanings.append(understood)
        trace = compile_trace(steps, meanings, little_endian=mode.little_endian)
        self._cache.add((mode.key, steps[0].cia), trace)
        return trace

    def _interpret(
        self, mode: Mode, budget: int, steps: list[Step] | None = None
    ) -> StopReason | None:
        """Run ``budget`` instructions one by one; None if hot code comes before that."""
        q, b, ram, code = self._q, self.state.buffer, self._memory.ram, self._memory.code
        fetch, known, stops, hot = mode.fetch, mode.operations.get, self.breakpoints, self._hot
        cia, start = q[_CIA], q[_NOW]
        now = start
        stop: StopReason | None = Stop.BUDGET
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
                    nia = cia + 4
                elif nia < 0:
                    return self._leave(-nia, cia, now)
                if steps is not None:
                    steps.append(Step(cia, word, nia))
                if nia in stops:
                    cia, stop = nia, Stop.BREAKPOINT
                    break
                if nia != cia + 4 and mode.warm(nia) > hot:
                    cia, stop = nia, None
                    break
                cia = nia
        except OUT_OF_RANGE:
            stop, completed = Stop.ODD, 0
        q[_CIA] = cia
        q[_NOW] = now + completed
        return stop

    def _leave(self, number: int, cia: int, now: int) -> StopReason:
        """Settle CIA and NOW for an instruction that stops."""
        stop = _stop(number)
        completes = isinstance(stop, Exit) and stop.completes
        if not completes:
            self._q[_CIA] = cia
        self._q[_NOW] = now + completes
        return stop


def _stop(number: int) -> StopReason:
    return Stop(number) if number >= Stop.BUDGET else Exit(number)
