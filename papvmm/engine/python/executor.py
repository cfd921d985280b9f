"""The Python engine: it interprets cold code, and runs hot code as generated Python."""

from functools import cached_property
from typing import Final

from papvmm.engine.python.access import OUT_OF_RANGE, Code, Data
from papvmm.engine.python.code_cache import CodeCache
from papvmm.engine.python.mode import MODE_BITS, NO_TRACE, PAGED, Mode, Words
from papvmm.engine.python.pages import Pages, RealPages
from papvmm.engine.python.traces import Step, Trace, compile_trace
from papvmm.engine.python.watched import Unwatched
from papvmm.engine.stops import Stop, StopReason
from papvmm.engine.watch import Watch, pages_of
from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.mmu import Mmu
from papvmm.mmu.space import Space

_CIA: Final = CIA.offset // 8
_NOW: Final = NOW.offset // 8
_MSR: Final = MSR.offset // 8

TRANSLATING: Final = MSR_IR | MSR_DR
HOT: Final = 16
"""Code that was branched to so often is compiled."""
LONGEST: Final = 64
"""Instructions in a trace, at most."""
SHORTEST: Final = 3
"""Less is not worth calling a function for, unless it is a loop."""
MODES: Final = 256
"""Modes at a time; when there are more, all go."""


class PythonExecutor:
    """Runs one vcpu on guest RAM. See ``Executor``.

    Without ``mmu``, or with one kind of translation on only, each instruction is an odd one.
    """

    def __init__(
        self,
        state: ArchState,
        memory: GuestMemory,
        cache: CodeCache,
        mmu: Mmu | None = None,
        *,
        hot: int = HOT,
        breakpoints: set[int] | None = None,
        watchpoints: set[Watch] | None = None,
        isa: Isa = Isa.V3_0,
    ) -> None:
        self.state: Final = state
        self.breakpoints: Final[set[int]] = set() if breakpoints is None else breakpoints
        self.watchpoints: Final[set[Watch]] = set() if watchpoints is None else watchpoints
        self._memory: Final = memory
        self._cache: Final = cache
        self._mmu: Final = mmu
        self._hot: Final = hot
        self._isa: Final = isa
        self._q: Final = state.doublewords
        self._words: Final[dict[int, Words]] = {}
        self._modes: Final[dict[tuple[int, Pages | None], Mode]] = {}
        self._avoided: set[int] = set()
        self._generation = 0
        self.is_kicked = False

    def run(self, budget: int) -> StopReason:
        """Run ``budget`` instructions, or to the first exit."""
        q = self._q
        msr = q[_MSR]
        key = msr & MODE_BITS
        code: Pages | None = None
        data: Pages | None = None
        ram: Data = self._memory.ram
        marks: Code = self._memory.code
        if msr & TRANSLATING:
            spaces = self._spaces(msr)
            if spaces is None:
                return Stop.ODD
            code, data = spaces
        elif q[_CIA] >= self._memory.size:
            code = data = self._real_pages
            key |= PAGED
        if data is not None:
            ram, marks = data.reads, data.writes
        if self.watchpoints:
            key |= PAGED if data is None else 0
            ram, marks = self._unwatched(data)
        if self._generation != self._cache.generation or self._avoided != self.breakpoints:
            self._look_again()
        mode = self._mode(key, code)
        return self._run(mode, ram, marks, q[_NOW] + budget)

    def _spaces(self, msr: int) -> tuple[Space, Space] | None:
        """Return what is known of code and of data; None if only the stepper can translate."""
        if self._mmu is None or msr & TRANSLATING != TRANSLATING:
            return None
        return self._mmu.space(fetches=True), self._mmu.space(fetches=False)

    @cached_property
    def _real_pages(self) -> RealPages:
        """RAM in real mode, where its addresses are not simply offsets."""
        return RealPages(self._memory)

    def _unwatched(self, known: Pages | None) -> tuple[Data, Code]:
        """Return what loads and stores may access directly: pages without watched bytes."""
        pages = self._real_pages if known is None else known
        kept_out = pages_of(self.watchpoints, real=False), pages_of(self.watchpoints, real=True)
        return Unwatched(pages.reads, pages, *kept_out), Unwatched(pages.writes, pages, *kept_out)

    def _mode(self, key: int, code: Pages | None) -> Mode:
        mode = self._modes.get((key, code))
        if mode is None:
            if len(self._modes) == MODES:
                self._modes.clear()
            words = self._words.get(key) or self._words.setdefault(key, Words(key, self._isa))
            mode = self._modes[key, code] = Mode(words, self._memory, code)
        mode.look_again()
        return mode

    def _run(self, mode: Mode, ram: Data, code: Code, end: int) -> StopReason:
        """Run until NOW is ``end``, or to the first exit."""
        q, b = self._q, self.state.buffer
        traces, stops = mode.traces, self.breakpoints
        stop: StopReason | None = None
        while stop is None:
            if self.is_kicked:
                self.is_kicked = False
                return Stop.KICK
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
                stop = self._record(mode, ram, code)
            else:
                stop = self._interpret(mode, ram, code, left)
        return stop

    def kick(self) -> None:
        """Have a run end at its next trace, or the next one before it begins."""
        self.is_kicked = True

    def _look_again(self) -> None:
        """Let go of traces that have been dropped, or that breakpoints have come into."""
        self._generation = self._cache.generation
        self._avoided = set(self.breakpoints)
        for mode in self._modes.values():
            mode.forget()

    def _record(self, mode: Mode, ram: Data, code: Code) -> StopReason | None:
        """Interpret what comes next, and make a trace of it for the next time."""
        head = self._q[_CIA]
        trace = self._cache.find(mode.key(head)) if mode.knows(head) else None
        stop = None
        if trace is None or not mode.holds(trace):
            steps: list[Step] = []
            stop = self._interpret(mode, ram, code, LONGEST, steps)
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
        if not is_loop and len(steps) < SHORTEST:
            return NO_TRACE
        addresses = [mode.real(step.cia) for step in steps]
        if self._cache.is_rewritten(addresses):
            return NO_TRACE
        meanings = []
        for step in steps:
            understood = mode.words.understand(step.word)
            if understood is None or mode.fetch(step.cia) != (step.word,):
                return NO_TRACE
            meanings.append(understood)
        trace = compile_trace(
            steps,
            meanings,
            mode.pages(steps),
            addressing=mode.words.addressing,
            little_endian=mode.words.little_endian,
        )
        self._cache.add(mode.key(steps[0].cia), trace, addresses)
        return trace

    def _interpret(
        self, mode: Mode, ram: Data, code: Code, budget: int, steps: list[Step] | None = None
    ) -> StopReason | None:
        """Run ``budget`` instructions one by one; None if hot code comes before that."""
        q, b, fetch, words = self._q, self.state.buffer, mode.fetch, mode.words
        known, stops, hot = words.operations.get, self.breakpoints, self._hot
        cia, start = q[_CIA], q[_NOW]
        now = start
        stop: StopReason | None = Stop.BUDGET
        completed = 1
        try:
            for now in range(start, start + budget):
                (word,) = fetch(cia)
                prepared = known(word) or words.prepare(word)
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
