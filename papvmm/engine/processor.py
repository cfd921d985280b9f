"""The layer that all engines share: interrupts, the decrementer, breakpoints, odd instructions."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

from papvmm.engine.executor import Executor
from papvmm.engine.exits import (
    BUDGET_SPENT,
    KICKED,
    PAPR_HCALL,
    Breakpoint,
    Crash,
    ExitReason,
    Watchpoint,
)
from papvmm.engine.inputs import decrementer_due
from papvmm.engine.stops import Stop, StopReason
from papvmm.engine.watch import Watched
from papvmm.isa.exit import Exit
from papvmm.isa.interrupts import (
    PROGRAM_FP_ENABLED,
    PROGRAM_ILLEGAL,
    PROGRAM_LATER,
    PROGRAM_PRIVILEGED,
    PROGRAM_TRAP,
    Interrupt,
    deliver,
    is_fp_exception,
)
from papvmm.isa.msr import MSR_DR, MSR_EE, MSR_PR, TRACING
from papvmm.isa.state import (
    CIA,
    DAR,
    DPDES,
    DSISR,
    EXTERNAL,
    FSCR,
    LPCR,
    LPCR_HR,
    MSR,
    NOW,
    SDAR,
    SIAR,
)
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.translate import NoPageTable, RealMode, StorageInterrupt, Translation

if TYPE_CHECKING:
    from papvmm.engine.stepper import Stepper

FRUITLESS: Final = 16
"""Interrupts in a row, without an instruction completed in between, that a vcpu survives."""

_CIA: Final = CIA.place
_MSR: Final = MSR.place
_NOW: Final = NOW.place
_LPCR: Final = LPCR.place
_DPDES: Final = DPDES.place

_HYPERCALL: Final = Exit.HYPERCALL
"""Enum members take their time to be looked up."""

FSCR_IC: Final = 0xFF << 56
"""FSCR bits 0:7: which facility was unavailable."""

INTERRUPTS: Final = {
    Exit.TRAP: (Interrupt.PROGRAM, PROGRAM_TRAP),
    Exit.PRIVILEGED: (Interrupt.PROGRAM, PROGRAM_PRIVILEGED),
    Exit.ILLEGAL: (Interrupt.PROGRAM, PROGRAM_ILLEGAL),
    Exit.FP_ENABLED: (Interrupt.PROGRAM, PROGRAM_FP_ENABLED),
    Exit.FP_UNAVAILABLE: (Interrupt.FP_UNAVAILABLE, 0),
    Exit.VECTOR_UNAVAILABLE: (Interrupt.VECTOR_UNAVAILABLE, 0),
    Exit.VSX_UNAVAILABLE: (Interrupt.VSX_UNAVAILABLE, 0),
}
"""The interrupts that need nothing but SRR1 bits."""


Moment: TypeAlias = tuple[int, int]
"""CIA and NOW."""


class Processor:
    """An ``Engine``: an executor for the ordinary instructions, and all the rest."""

    def __init__(
        self,
        executor: Executor,
        memory: GuestMemory,
        translated: Translation | None = None,
        isa: Isa = Isa.V3_0,
    ) -> None:
        self._executor: Final = executor
        self._execute: Final = executor.run
        self.state: Final = executor.state
        self.breakpoints: Final = executor.breakpoints
        self.watchpoints: Final = executor.watchpoints
        self._q: Final = self.state.doublewords
        self._memory: Final = memory
        self._translated: Final = translated or NoPageTable()
        self._isa: Final = isa
        self._fruitless = 0
        self._interrupted_at = -1
        """Interrupts since an instruction was completed in this run, and NOW at the latest."""
        self._causes = 0
        """SRR1 bits of an interrupt that the instruction at hand causes."""
        self._unseen = False
        """The last run ended with a hypercall or a kick, so nobody has stopped at CIA yet."""
        self.interrupted: Final[list[Callable[[Interrupt], None]]] = []
        self._excused: Moment | None = None
        """When the last run stopped for a watchpoint: that does not stop the next one."""

    @cached_property
    def _stepper(self) -> "Stepper":
        """What executes odd instructions."""
        from papvmm.engine.stepper import Stepper  # noqa: PLC0415 - plain guests need none

        return Stepper(self.state, self._memory, self._translated, self._isa, self.watchpoints)

    def run(self, budget: int) -> ExitReason:
        """Complete ``budget`` instructions, delivering interrupts; see ``Engine``."""
        q, breakpoints = self._q, self.breakpoints
        passed = q[_CIA] if breakpoints and not self._unseen else None
        self._unseen = False
        if self._excused is not None and self._excused != (q[_CIA], q[_NOW]):
            self._excused = None
        self._fruitless = 0
        end = q[_NOW] + budget
        left = budget
        while True:
            if breakpoints and (cia := q[_CIA]) in breakpoints and cia != passed:
                return Breakpoint(cia)
            if left <= 0:
                return BUDGET_SPENT
            passed = None
            msr = q[_MSR]
            if msr & MSR_EE:
                free = self._take_pending()
                if not free:
                    continue
                left = min(left, free)
            if msr & TRACING:
                reason = self._step()
            else:
                stop = self._execute(left)
                reason = self._hypercall() if stop is _HYPERCALL else self._handle(stop)
            if reason is not None:
                if reason is KICKED:
                    self._unseen = q[_NOW] != end - budget
                return reason
            left = end - q[_NOW]

    def locate(self, ea: int) -> int | None:
        """Return where data at ``ea`` are; see ``Engine``."""
        translation = self._translated if self._q[_MSR] & MSR_DR else RealMode()
        try:
            ra = translation.locate(ea)
        except StorageInterrupt:
            return None
        return ra if self._memory.holds(ra, 1) else None

    def kick(self) -> None:
        """Have a run end soon; see ``Engine``."""
        self._executor.kick()

    def _take_pending(self) -> int:
        """Take an interrupt that waits for MSR[EE], which is on; or return when one may be due.

        That is in so many instructions, at least one; 0 says that an interrupt was taken.
        """
        state = self.state
        if state.read(EXTERNAL):
            self._deliver(Interrupt.EXTERNAL, self._q[_CIA])
            return 0
        free = decrementer_due(state) - self._q[_NOW]
        if not free:
            self._deliver(Interrupt.DECREMENTER, self._q[_CIA])
        elif self._q[_DPDES]:
            state.write(DPDES, 0)
            self._deliver(Interrupt.PRIVILEGED_DOORBELL, self._q[_CIA])
            return 0
        return free

    def _handle(self, stop: StopReason) -> ExitReason | None:
        """Do what a stop asks for; return why the machine has to know, if it has."""
        match stop:
            case Exit.HYPERCALL:
                return self._hypercall()
            case Stop.ODD | Exit.HELPER | Exit.ALIGNMENT:
                return self._step()
            case StorageInterrupt():
                return self._storage_interrupt(stop, 0)
            case Stop.BUDGET:
                return None
            case Exit.CONTEXT:
                return self._change_context()
            case Stop.KICK:
                return KICKED
            case Stop.BREAKPOINT:
                return Breakpoint(self.state.read(CIA))
            case Exit.NOT_BUILT:
                return self._stepper.not_built()
            case Exit():
                return self._exception(stop)
            case _:
                assert_never(stop)

    def _change_context(self) -> ExitReason | None:
        """Take the interrupt of a floating-point exception that MSR did not ask for before."""
        if is_fp_exception(self.state):
            return self._interrupt(Interrupt.PROGRAM, PROGRAM_FP_ENABLED | PROGRAM_LATER)
        return None

    def _exception(self, exit_: Exit) -> ExitReason | None:
        """Take the interrupt that an instruction's exit stands for."""
        if exit_ in INTERRUPTS:
            return self._interrupt(*INTERRUPTS[exit_])
        fscr = self.state.read(FSCR) & ~FSCR_IC | exit_.facility << 56
        self.state.write(FSCR, fscr)
        return self._interrupt(Interrupt.FACILITY_UNAVAILABLE)

    def _step(self) -> ExitReason | None:
        """Execute the instruction at CIA; follow it by a trace interrupt if MSR asks for one."""
        state = self.state
        now = cia, _ = self._q[_CIA], self._q[_NOW]
        stepper = self._stepper
        try:
            exit_, traced = stepper.step(heeds=self._excused != now)
        except StorageInterrupt as interrupt:
            return self._storage_interrupt(interrupt, stepper.causes)
        except Watched as hit:
            stepper.undo()
            self._excused = now
            return Watchpoint(cia, hit.ea, hit.length, hit.is_store, hit.watch)
        self._causes = stepper.causes
        reason = None if exit_ is None else self._handle(exit_)
        self._causes = 0
        if exit_ in (None, Exit.CONTEXT) and traced is not None:
            state.write(SIAR, cia)
            if traced.touched is not None:
                state.write(SDAR, traced.touched.ea)
            self._deliver(Interrupt.TRACE, state.read(CIA), traced.causes | stepper.causes)
        return reason

    def _hypercall(self) -> ExitReason | None:
        """Leave for ``sc 1``, unless problem state made it.

        The hypervisor gets that, too, and KVM gives the guest's kernel an interrupt in return:
        a privileged instruction with radix trees, and a system call with hashed page tables.
        The ``sc`` is complete by then, and SRR0 past it.
        """
        if self._q[_MSR] & MSR_PR:
            if self._q[_LPCR] & LPCR_HR:
                return self._interrupt(Interrupt.PROGRAM, PROGRAM_PRIVILEGED)
            return self._interrupt(Interrupt.SYSTEM_CALL)
        self._unseen = True
        return PAPR_HCALL

    def _storage_interrupt(self, fault: StorageInterrupt, causes: int) -> ExitReason | None:
        if fault.sets_dar:
            self.state.write(DAR, fault.ea)
        if fault.dsisr is not None:
            self.state.write(DSISR, fault.dsisr)
        return self._interrupt(fault.interrupt, fault.srr1 | causes)

    def _interrupt(self, interrupt: Interrupt, causes: int = 0) -> ExitReason | None:
        """Take an interrupt that the instruction at CIA caused, or a call before it."""
        state = self.state
        now, cia = state.read(NOW), state.read(CIA)
        self._fruitless = self._fruitless + 1 if now == self._interrupted_at else 1
        self._interrupted_at = now
        if self._fruitless > FRUITLESS:
            return Crash(cia, f"{FRUITLESS} interrupts in a row completed no instruction")
        self._deliver(interrupt, cia, causes | self._causes)
        return None

    def _deliver(self, interrupt: Interrupt, srr0: int, causes: int = 0) -> None:
        deliver(self.state, interrupt, srr0, causes)
        for tell in self.interrupted:
            tell(interrupt)
