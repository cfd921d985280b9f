"""The synchronous half of a machine: a guest, and what happens to it, in exact order.

Nothing here waits or asks what time it is, so a run is a function of the configuration and
of the inputs. ``Machine`` decides when to call it, and serves everybody else in between.
"""

from collections.abc import Callable, Sequence
from typing import Final, assert_never

from papvmm.boot.elf import LoadedImage
from papvmm.clock import ticks_at
from papvmm.devices.nvram import Nvram
from papvmm.devices.random_source import RandomSource
from papvmm.devices.rtc import Rtc
from papvmm.devices.vty import VTY_INTERRUPT, Vty
from papvmm.devices.xics import Xics
from papvmm.engine.exits import (
    Breakpoint,
    BudgetSpent,
    Crash,
    Kicked,
    NotBuilt,
    PaprHcall,
    Watchpoint,
)
from papvmm.engine.inputs import decrementer_due, end_slice, inject, is_interrupted, set_external
from papvmm.errors import HostCrash
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.state import CIA, MSR, NOW, TB_OFFSET
from papvmm.machine.actions import ending
from papvmm.machine.config import AreasOnReset, File, MachineConfig, OnReboot
from papvmm.machine.dirty_pages import DirtyPages
from papvmm.machine.hypervisor_watch import HypervisorWatch
from papvmm.machine.inputs import Input, Recorder
from papvmm.machine.outcome import (
    GuestReset,
    HostCrashed,
    HypervisorStores,
    NoProgress,
    Outcome,
    Paused,
    interruption,
)
from papvmm.machine.reset import Refusal, unregister_all
from papvmm.machine.scheduler import Scheduler
from papvmm.memory.door import HypervisorDoor
from papvmm.mmu.hash_table import HashTable
from papvmm.papr.hcall import (
    CONTINUE,
    Cede,
    Continue,
    GuestPanic,
    HypercallTable,
    PowerOff,
    Reboot,
    StopSelf,
    Then,
    Wake,
    YieldTo,
)
from papvmm.trace.events import MachineReset, VcpuEntered, VcpuLeft
from papvmm.vcpu.vcpu import PHYSICAL_CPU, Vcpu, VcpuRunState
from papvmm.vpa.dtl import Dispatch, DispatchReason, PreemptReason

FOREVER: Final = 1 << 62
"""More instructions than any run completes."""

STARTED: Final = (DispatchReason.SYSTEM_RESET, PreemptReason.UNUSED)
"""Why a vcpu enters the guest that has not been there since it started."""
RETURNED: Final = (DispatchReason.TIME_SLICE, PreemptReason.UNUSED)
OUT_OF_TIME: Final = (DispatchReason.TIME_SLICE, PreemptReason.END_OF_TIME_SLICE)

_CIA: Final = CIA.place
_MSR: Final = MSR.place
_NOW: Final = NOW.place
_TB_OFFSET: Final = TB_OFFSET.place


class Guest:
    """A guest's RAM, vcpus and devices, as hypercall handlers see them, and its progress."""

    def __init__(
        self,
        config: MachineConfig,
        door: HypervisorDoor,
        hash_table: HashTable,
        vcpus: Sequence[Vcpu],
        hypercalls: HypercallTable,
        load: Callable[["Guest", File], LoadedImage],
    ) -> None:
        self.config = config
        """What the guest is made from; what its reset, end or panic does may change."""
        self.door: Final = door
        self.memory: Final = door.memory
        self.dirty_pages: Final = DirtyPages(door.memory)
        self.hash_table: Final = hash_table
        self.clock: Final = door.clock
        self.vcpus: Final = tuple(vcpus)
        self.scheduler: Final = Scheduler(door.clock, config.slice_counts)
        self.rtc: Final = Rtc(door.clock, config.rtc_base)
        self.random: Final = RandomSource(config.seed)
        self.xics: Final = Xics((v.vcpu_id for v in vcpus), (VTY_INTERRUPT,), self._interrupt)
        self.console: Final = Vty(lambda _: None, lambda: self.xics.trigger(VTY_INTERRUPT))
        self.nvram: Final = Nvram()
        self.inside: Vcpu | None = None
        """The vcpu that has entered the guest and not left it, if any."""
        self.heed = False
        """Whether somebody waits for the next guest exit."""
        self.stopped_at: int | None = None
        """Where a vcpu was stopped by a breakpoint, say, perhaps when it had been interrupted."""
        self.image: LoadedImage | None = None
        """The kernel that was loaded last."""
        self.refusals: tuple[Refusal, ...] = ()
        """What ONE_REG refused at the last reset."""
        self.reasons: Final[dict[int, tuple[DispatchReason, PreemptReason]]] = {}
        """Why each vcpu left the guest, and why it comes back, for levels that log that."""
        self.history: Recorder | None = None
        """Who notes what reaches the guest from outside, if anybody does."""
        self._hypercalls: Final = hypercalls
        self.watch: Final = HypervisorWatch(door.tracer, vcpus)
        self._load: Final = load
        self._by_id: Final = {vcpu.vcpu_id: vcpu for vcpu in vcpus}

    # What hypercall handlers see (HcallContext).

    @property
    def caller(self) -> Vcpu:
        """The vcpu whose turn it is: the one that executed ``sc 1``."""
        assert self.scheduler.current is not None
        return self.scheduler.current

    def find_vcpu(self, vcpu_id: int) -> Vcpu | None:
        """Return the vcpu with this id, or None."""
        return self._by_id.get(vcpu_id)

    # Life.

    def boot(self) -> None:
        """Load the kernel of this generation and start the boot vcpu; without one, at 0."""
        for vcpu in self.vcpus:
            vcpu.power_on()
            self.reasons[vcpu.vcpu_id] = STARTED
        self.load(self.config.kernel_for(self.door.generation))
        self.scheduler.add(self.vcpus[0])

    def load(self, kernel: File | None) -> None:
        """Put a kernel into RAM and make the boot vcpu begin there; without one, at 0."""
        if kernel is None:
            self.vcpus[0].start(0, 0)
        else:
            self.image = self._load(self, kernel)

    def describe(self, address: int) -> str:
        """Return an address as people read it: with the symbol of the kernel it belongs to.

        It is one as linked, such as Linux's with translation on, or else guest physical.
        """
        found = None if self.image is None else self.image.symbol_of(address)
        return f"{address:#x}" if found is None else f"{address:#x} <{found[0]}+{found[1]:#x}>"

    def advance(self, until: int) -> Outcome | None:
        """Let the vcpu whose turn it is run up to virtual time ``until`` (a count), at most.

        Return early at the end of its turn, after a kick, and, if ``heed`` is set, at its next
        guest exit.
        What ends or stops the machine is returned; None means that all goes on.
        """
        scheduler, clock, vcpu = self.scheduler, self.clock, self.caller
        run, serve, q = vcpu.engine.run, self._hypercalls.serve, vcpu.state.doublewords
        stop = min(until, clock.count + scheduler.left)
        self.stopped_at = None
        self.watch.look_again()
        stores = self.watch.stores
        while (most := stop - clock.count) > 0:
            if self.inside is None and (crashed := self.enter(vcpu)):
                return crashed
            if stores:
                return self.take_stores()
            q[_NOW] = clock.count
            reason = run(most)
            scheduler.left -= q[_NOW] - clock.count
            clock.count = q[_NOW]
            match reason:
                case PaprHcall():
                    self._leave(vcpu, "hcall")
                    then = serve(self)
                    happened = None if then is CONTINUE else self._follow(vcpu, then)
                    if happened is not None or self.heed or scheduler.current is not vcpu:
                        return happened
                case BudgetSpent():
                    pass
                case Kicked():
                    # An interrupt may have been taken: the next instruction makes that past.
                    stop = min(stop, clock.count + 1)
                case Breakpoint() | Watchpoint() | NotBuilt() | Crash():
                    self.stopped_at = vcpu.state.read(CIA)
                    return interruption(vcpu.vcpu_id, reason)
                case _:
                    assert_never(reason)
        if scheduler.left == 0:
            self.end_slice()
        return None

    def take_stores(self) -> Paused | None:
        """Return the hypervisor's latest stores to watched bytes, which stop the machine."""
        stores = self.watch.take()
        return Paused("watchpoint", HypervisorStores(stores)) if stores else None

    def next_turn(self) -> Vcpu | None:
        """Return the vcpu that runs next, its slice begun; None if every vcpu waits."""
        self.wake_due()
        return self.scheduler.current or self.scheduler.next()

    def warp(self) -> Vcpu | None:
        """Let idle time pass until a timer wakes a vcpu, and return it; None if none will."""
        timer = self.next_timer()
        if timer is None:
            return None
        self.clock.warp_to(timer)
        return self.next_turn()

    def run(self, limit: int) -> Outcome:
        """Run for ``limit`` instructions in one go: the way of a caller without a loop."""
        stop = self.clock.icount + limit
        while self.clock.icount < stop:
            if self.next_turn() is None and self.warp() is None:
                return NoProgress()
            happened = self.advance(self.clock.count + stop - self.clock.icount)
            if happened is not None:
                return happened
        return Paused("limit")

    def next_timer(self) -> int | None:
        """Return the count at which the first decrementer wakes a ceded vcpu, if any does."""
        ceded = [v for v in self.vcpus if v.run_state is VcpuRunState.CEDED]
        return min((decrementer_due(vcpu.state) for vcpu in ceded), default=None)

    def end_slice(self) -> None:
        """End the turn of the vcpu that runs: a guest exit, if it is inside."""
        vcpu = self.caller
        if self.inside is vcpu:
            self._leave(vcpu, "slice")
        end_slice(vcpu.state)
        self.wake_due()
        self.scheduler.preempt()

    def take(self, given: Input) -> None:
        """Let something from outside happen, and have it noted if there is a history."""
        self.wake_due()
        if self.history is not None:
            self.history.note(given)
        given.apply(self)

    def system_reset(self, vcpu: Vcpu) -> None:
        """Interrupt a vcpu that has started, whatever MSR[EE] says; a ceded one goes on."""
        if vcpu.run_state is not VcpuRunState.STOPPED:
            self.wake_due()
            inject(vcpu.state, Interrupt.SYSTEM_RESET)
            if vcpu.wake():
                self._queue(vcpu, DispatchReason.EXTERNAL_INTERRUPT)

    def reset(self, reason: str) -> None:
        """Return to the state after power-on, but for RAM, which keeps what it holds.

        The areas outlive the reset too, unless the policy asks for their removal, which the
        next guest entry of each vcpu carries out before any store.
        """
        config, door = self.config, self.door
        if self.inside is not None:
            self._leave(self.inside, "reset")
        if config.areas_on_reset is AreasOnReset.UNREGISTER:
            self.refusals = unregister_all(self.vcpus, config.reset_dtl_len)
        door.generation += 1
        self.scheduler.clear()
        self.xics.reset()
        self.hash_table.clear()
        if MachineReset in door.tracer.wanted:
            policy = config.areas_on_reset.value
            door.tracer.emit(MachineReset(door.generation, self.clock.icount, reason, policy))
        self.boot()

    # Guest entries and exits.

    def enter(self, vcpu: Vcpu) -> HostCrashed | None:
        """Let the vcpu whose turn it is enter the guest, as ``advance`` does."""
        areas, tracer = vcpu.areas, self.door.tracer
        if areas.see_entries:
            try:
                areas.enter(self._dispatch(vcpu))
            except HostCrash as crash:
                return HostCrashed(str(crash))
        self.inside = vcpu
        if VcpuEntered in tracer.wanted:
            cia = vcpu.state.read(CIA)
            tracer.emit(VcpuEntered(vcpu.vcpu_id, self.door.generation, self.clock.icount, cia))
        return None

    def _dispatch(self, vcpu: Vcpu) -> Dispatch:
        """Return what the log tells of a guest entry that is to come now."""
        q = vcpu.state.doublewords
        tb, stolen = ticks_at(self.clock.count) + q[_TB_OFFSET], ticks_at(vcpu.stolen_counts)
        reasons = self.reasons[vcpu.vcpu_id]
        return Dispatch(tb, PHYSICAL_CPU, stolen, q[_CIA], q[_MSR], *reasons)

    def _leave(self, vcpu: Vcpu, why: str) -> None:
        self.reasons[vcpu.vcpu_id] = OUT_OF_TIME if why == "slice" else RETURNED
        vcpu.areas.leave()
        self.inside = None
        tracer = self.door.tracer
        if VcpuLeft in tracer.wanted:
            cia = vcpu.state.read(CIA)
            tracer.emit(VcpuLeft(vcpu.vcpu_id, self.door.generation, self.clock.icount, cia, why))

    def _follow(self, vcpu: Vcpu, then: Then) -> Outcome | None:
        """Do what a hypercall asks of the machine."""
        match then:
            case Continue():
                return None
            case Cede():
                self.reasons[vcpu.vcpu_id] = (DispatchReason.TIME_SLICE, PreemptReason.H_CEDE)
                if is_interrupted(vcpu.state):
                    vcpu.wake()
                else:
                    self._give_up(vcpu)
                return None
            case Wake(woken):
                self.wake_due()
                self._queue(woken, DispatchReason.H_PROD)
                return None
            case YieldTo(target):
                self.reasons[vcpu.vcpu_id] = (
                    DispatchReason.CONFERRED_CYCLES,
                    PreemptReason.H_CONFER,
                )
                self.end_slice()
                self.scheduler.favour(target)
                return None
            case StopSelf():
                self.reasons[vcpu.vcpu_id] = STARTED
                self._give_up(vcpu)
                return None
            case PowerOff() | GuestPanic():
                return ending(self.config, then)
            case Reboot():
                return self._reboot()
            case _:
                assert_never(then)

    def _give_up(self, vcpu: Vcpu) -> None:
        """End the slice of a vcpu that waits from now on."""
        end_slice(vcpu.state)
        self.scheduler.block()

    def _reboot(self) -> Outcome | None:
        match self.config.on_reboot:
            case OnReboot.RESET:
                self.reset("guest-reset")
                return None
            case OnReboot.PAUSE:
                self.reset("guest-reset")
                return Paused("guest-reset")
            case OnReboot.SHUTDOWN:
                return GuestReset()

    # Who can run.

    def _interrupt(self, server: int, *, pending: bool) -> None:
        """Drive a vcpu's external interrupt input, which ends a cede."""
        vcpu = self._by_id[server]
        if pending:
            self.wake_due()
        set_external(vcpu.state, pending=pending)
        if pending and vcpu.wake():
            self._queue(vcpu, DispatchReason.EXTERNAL_INTERRUPT)

    def _queue(self, vcpu: Vcpu, reason: DispatchReason, since: int | None = None) -> None:
        """Queue a vcpu that was woken, at count ``since`` or now."""
        if self.reasons[vcpu.vcpu_id] != STARTED:
            self.reasons[vcpu.vcpu_id] = (reason, PreemptReason.H_CEDE)
        self.scheduler.add(vcpu, since)

    def wake_due(self) -> None:
        """Queue the ceded vcpus whose decrementer is due, earliest first.

        They are awake since then, whenever this is called: it has to be before anything else
        wakes a vcpu, or asks whether it waits.
        """
        ceded = [v for v in self.vcpus if v.run_state is VcpuRunState.CEDED]
        dues = [(decrementer_due(vcpu.state), vcpu.vcpu_id) for vcpu in ceded]
        for due, vcpu_id in sorted(dues):
            if due <= self.clock.count:
                vcpu = self._by_id[vcpu_id]
                vcpu.wake()
                self._queue(vcpu, DispatchReason.DECREMENTER, due)
