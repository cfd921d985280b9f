"""The native engine: it runs guest code as host code, and leaves to others what is odd."""

import ctypes
from typing import TYPE_CHECKING, Final

from papvmm.bits import M64
from papvmm.engine.native import layout
from papvmm.engine.native.code import NativeCode, address_of, private
from papvmm.engine.native.contexts import Contexts
from papvmm.engine.native.inner import Inner
from papvmm.engine.native.interpretation import Interpretation
from papvmm.engine.native.told import Told
from papvmm.engine.python.on_demand import OnDemand
from papvmm.engine.stops import Stop, StopReason
from papvmm.engine.watch import Watch
from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_SF
from papvmm.isa.state import CIA, MSR, NOW, STATE_SIZE, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.mmu import Mmu, Tables

if TYPE_CHECKING:
    from papvmm.engine.python.executor import PythonExecutor

_CIA: Final = CIA.place
_NOW: Final = NOW.place
_MSR: Final = MSR.place
_STOP, _FLOOR, _DEADLINE, _MODE, _MISS, _PASSED = (
    field // 8
    for field in (
        layout.STOP, layout.FLOOR, layout.DEADLINE, layout.MODE, layout.MISS, layout.PASSED,
    )
)  # fmt: skip
_REASONS: Final[dict[int, StopReason | None]] = {
    **{e.value: e for e in Exit},
    **{s.value: s for s in Stop},
    **{i.value: None for i in Inner},
}
SETTLING: Final = 64
"""Instructions after which code shows what it needs."""
MEANWHILE: Final = 10_000
"""Instructions that the Python engine runs where there is no native code."""
MISSING: Final = 60
"""Those that it runs where a starter has no handler: too few to compile anything."""
SAMPLES_APART: Final = 1_000_003
"""Instructions between two looks at what has been compiled, where nothing is asked for."""
_BUDGET: Final = Stop.BUDGET
_KICK: Final = Stop.KICK
_ENTER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class NativeExecutor:
    """Runs one vcpu on guest RAM. See ``Executor``.

    What native code has no mode for is run by the Python engine, and so is everything until
    there is an interpreter. The first one may be a starter, which another one replaces.
    """

    def __init__(
        self,
        memory: GuestMemory,
        code: NativeCode,
        python: OnDemand,
        tables: Tables | None = None,
    ) -> None:
        self._code: Final = code
        self._vcpu: Final = private(layout.VCPU_SIZE)
        self._cpu: Final = address_of(self._vcpu)
        self._q: Final = memoryview(self._vcpu).cast("Q")
        self.state: Final = ArchState(memoryview(self._vcpu)[:STATE_SIZE])
        self.mmu: Final = None if tables is None else Mmu(self.state, tables)
        self.breakpoints: Final[set[int]] = set()
        self.watchpoints: Final[set[Watch]] = set()
        self._on_demand: Final = python
        self._python: PythonExecutor | None = None
        self._enter: ctypes._FuncPointer | None = None
        self._settling = SETTLING
        self._next_sample = 0
        """The count at which to see again where execution is."""
        for field, value in (
            (layout.FLOOR, layout.STRETCH),
            (layout.RAM_BASE, memory.host_address),
            (layout.RAM_SIZE, code.ram_size),
            (layout.MARKS, code.marks_address),
            (layout.SHARED, code.shared_address),
        ):
            self._q[field // 8] = value
        self._contexts: Final = Contexts(self._q, self._cpu, memory, self.mmu, code.op_page)
        self._told: Final = Told(self._q, self._cpu, code, self._contexts)
        self._may_stop = False
        """Whether native code knows of breakpoints or watchpoints."""
        if tables is not None:
            tables.radix.on_mark.append(code.announce)
        code.on_interpreter.append(self._use)
        if code.interpretation is not None:
            self._use(code.interpretation)

    def run(self, budget: int) -> StopReason:
        """Run ``budget`` instructions, or to the first exit."""
        q = self._q
        msr, cia = q[_MSR], q[_CIA]
        if not msr & MSR_SF or cia & 3:
            return self._run_in_python(budget)
        if not (self._enter or self._is_ready()):
            return self._run_meanwhile(budget)
        if not self._contexts.knows(msr):
            self._code.look_again()
            return self._run_in_python(min(budget, MEANWHILE))
        if self._may_stop or self.breakpoints or self.watchpoints:
            self._may_stop = self._told.tell(self.breakpoints, self.watchpoints)
            q[_PASSED] = q[_NOW]
        end = q[_NOW] + budget
        stop: StopReason = _BUDGET
        while stop is _BUDGET and (now := q[_NOW]) != end:
            if now >= self._next_sample:
                self._look_around(now)
            sample = self._next_sample
            q[_DEADLINE] = sample if sample < end else end  # noqa: FURB136 - min() takes longer
            assert self._enter is not None
            self._enter(self._cpu)
            reason = _REASONS[q[_STOP]]
            stop = self._go_on(end) if reason is None else reason
            if q[_MISS]:
                miss, q[_MISS] = q[_MISS], 0
                stop = self._contexts.access(q[_MISS + 1], miss)
        return self._heed_kick() if stop is _KICK else stop

    def kick(self) -> None:
        """Have native code leave at its next branch; see ``Executor``."""
        self._q[_FLOOR] = layout.KICKED
        if self._python is not None:
            self._python.kick()

    def _heed_kick(self) -> Stop:
        """Stop for a kick, and be ready for the next one."""
        self._q[_FLOOR] = layout.STRETCH
        if self._python is not None:
            self._python.is_kicked = False
        return Stop.KICK

    def _look_around(self, now: int) -> None:
        """See what has been compiled, and where execution is."""
        self._code.look_again()
        self._next_sample = now + self._sample(self._q[_CIA], layout.mode_of(self._q[_MSR]))

    def _sample(self, cia: int, mode: int) -> int:
        """Say where execution is; return after how many instructions to do so again."""
        ra = self._contexts.real(cia)
        if ra is None or self._contexts.breaks(cia):
            return SAMPLES_APART
        if ra != cia:
            mode |= layout.REAL_MODES
        return self._code.regions.sample(ra, mode, cia - ra & M64)

    def _go_on(self, end: int) -> StopReason:
        """Do what native code stopped for, so that it can go on; or return why it can't."""
        q = self._q
        left = end - q[_NOW]
        if q[_STOP] == Inner.MISSING:
            return self._run_meanwhile(min(left, MISSING))
        if not left:
            return _BUDGET
        cia, is_real = q[_CIA], q[_MODE] < layout.REAL_MODES and q[_CIA] < self._code.ram_size
        found = self._code.make_room(cia) if is_real else self._contexts.fetch(cia)
        if found:
            return _BUDGET
        is_stop = cia in self.breakpoints and q[_NOW] != q[_PASSED]
        return Stop.BREAKPOINT if is_stop else Stop.ODD

    def _is_ready(self) -> bool:
        """Tell whether there is an interpreter."""
        self._code.look_again()
        return self._enter is not None

    def _use(self, interpretation: Interpretation) -> None:
        """Use an interpreter from now on."""
        self._enter = _ENTER(interpretation.address("enter"))
        for field, name in (
            (layout.LOOKUP, "lookup"),
            (layout.CONTEXT, "context"),
            (layout.INTERPRET, "interpret"),
            (layout.FILL_LOAD, "fill_load"),
            (layout.FILL_STORE, "fill_store"),
        ):
            self._q[field // 8] = interpretation.address(name)

    def _run_meanwhile(self, budget: int) -> StopReason:
        """Let the Python engine run, as long as there is no handler for what comes next.

        An image may begin by changing its byte order: what is asked for is what comes then.
        """
        q = self._q
        if self._settling > 0:
            first, now = min(budget, self._settling), q[_NOW]
            stop = self._run_in_python(first)
            self._settling -= q[_NOW] - now
            if stop is not Stop.BUDGET or first == budget:
                return stop
            budget -= first
        ra = self._contexts.real(q[_CIA])
        if ra is not None:
            self._code.ask_for(ra, layout.mode_of(q[_MSR]))
        return self._run_in_python(budget)

    def _run_in_python(self, budget: int) -> StopReason:
        """Let the Python engine run, which may mark code that native code would overwrite."""
        if self._python is None:
            self._python = self._on_demand.executor(
                self.state, self.breakpoints, self.watchpoints, self.mmu
            )
            if self._q[_FLOOR] == layout.KICKED:
                self._python.kick()
        traces = self._on_demand.traces
        stop = self._python.run(budget)
        if self._on_demand.traces != traces:
            self._code.announce()
        return self._heed_kick() if stop is Stop.KICK else stop
