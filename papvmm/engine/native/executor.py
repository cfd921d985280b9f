"""The native engine: it runs guest code as host code, and leaves to others what is odd."""

import ctypes
from typing import Final

from papvmm.engine.native import layout
from papvmm.engine.native.code import NativeCode, address_of, private
from papvmm.engine.native.inner import Inner
from papvmm.engine.python.code_cache import CodeCache
from papvmm.engine.python.executor import PythonExecutor
from papvmm.engine.stops import Stop, StopReason
from papvmm.isa.exit import Exit
from papvmm.isa.msr import MSR_DR, MSR_EE, MSR_IR, MSR_SF
from papvmm.isa.state import CIA, MSR, NOW, STATE_SIZE, ArchState
from papvmm.memory.guest_memory import GuestMemory

_CIA: Final = CIA.offset // 8
_NOW: Final = NOW.offset // 8
_MSR: Final = MSR.offset // 8
_STOP, _LEFT, _DEADLINE, _PLANTED, _MODE, _ADMITS = (
    field // 8
    for field in (
        layout.STOP, layout.LEFT, layout.DEADLINE, layout.PLANTED, layout.MODE, layout.ADMITS,
    )
)  # fmt: skip
_INNER: Final = frozenset(Inner)
_REASONS: Final[dict[int, StopReason]] = {**{e: e for e in Exit}, **{s: s for s in Stop}}
_ENTER: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)


class NativeExecutor:
    """Runs one vcpu on guest RAM. See ``Executor``.

    What native code has no mode for is run by the Python engine, and so is everything until
    there is an interpreter.
    """

    def __init__(self, memory: GuestMemory, code: NativeCode, cache: CodeCache) -> None:
        self._code: Final = code
        self._vcpu: Final = private(layout.VCPU_SIZE)
        self._cpu: Final = address_of(self._vcpu)
        self._q: Final = memoryview(self._vcpu)[: layout.FETCH_TLB].cast("Q")
        self.state: Final = ArchState(memoryview(self._vcpu)[:STATE_SIZE])
        self._python: Final = PythonExecutor(self.state, memory, cache)
        self._enter: ctypes._FuncPointer | None = None
        self._next_sample = 0
        """The count at which to see again where execution is."""
        for field, value in (
            (layout.FLOOR, layout.STRETCH),
            (layout.RAM_BASE, memory.host_address),
            (layout.RAM_SIZE, code.ram_size),
            (layout.RAM_INNER, max(code.ram_size - layout.WIDEST + 1, 0)),
            (layout.MARKS, code.marks_address),
            (layout.SHARED, code.shared_address),
        ):
            self._q[field // 8] = value

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at."""
        return self._python.breakpoints

    def run(self, budget: int) -> StopReason:
        """Run ``budget`` instructions, or to the first exit."""
        q = self._q
        msr, cia = q[_MSR], q[_CIA]
        if msr & (MSR_IR | MSR_DR):
            return Stop.ODD
        if not msr & MSR_SF or cia % 4 or not self._is_ready():
            return self._run_in_python(budget)
        end = q[_NOW] + budget
        self._code.avoid(self.breakpoints)
        if cia in self.breakpoints:
            stop = self._run_in_python(1)
            if stop is not Stop.BUDGET or budget == 1:
                return stop
        q[_MODE], q[_ADMITS] = layout.mode_of(msr), msr & MSR_EE
        stop = self._run(end)
        if stop is Stop.BUDGET and q[_CIA] in self.breakpoints:
            return Stop.BREAKPOINT
        return stop

    def _run(self, end: int) -> StopReason:
        """Run until NOW is ``end``, or to the first exit."""
        q, enter = self._q, self._enter
        assert enter is not None
        while (now := q[_NOW]) != end:
            if now >= self._next_sample:
                self._sample()
            part = min(end, self._next_sample)
            q[_DEADLINE] = part
            enter(self._cpu, None, (part - now) * layout.UNIT)
            if q[_PLANTED]:
                self._code.restore(q[_PLANTED], q[_PLANTED + 1])
                q[_PLANTED] = 0
            q[_NOW] = part - q[_LEFT] // layout.UNIT
            stop = q[_STOP]
            if stop in _INNER:
                if q[_NOW] != end and not self._code.make_room(q[_CIA]):
                    return Stop.ODD
            elif stop != Stop.BUDGET:
                return _REASONS[stop]
        return Stop.BUDGET

    def _sample(self) -> None:
        """See where execution is, and what has been compiled."""
        self._code.look_again()
        q = self._q
        self._next_sample = q[_NOW] + self._code.regions.sample(q[_CIA], q[_MODE])

    def _is_ready(self) -> bool:
        """Tell whether there is an interpreter."""
        if self._enter is None:
            self._code.look_again()
            interpretation = self._code.interpretation
            if interpretation is None:
                return False
            self._enter = _ENTER(interpretation.address("enter"))
            for field, name in (
                (layout.LOOKUP, "lookup"),
                (layout.CONTEXT, "context"),
                (layout.INTERPRET, "interpret"),
                (layout.FILL_LOAD, "fill_load"),
                (layout.FILL_STORE, "fill_store"),
            ):
                self._q[field // 8] = interpretation.address(name)
        return True

    def _run_in_python(self, budget: int) -> StopReason:
        """Let the Python engine run, which may mark code that native code would overwrite."""
        stop = self._python.run(budget)
        self._code.announce()
        return stop
