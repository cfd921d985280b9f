"""A virtual processor: architected state, an engine that runs it, its areas and its run-state."""

from collections import defaultdict
from enum import Enum, auto
from typing import Final

from papvmm.bits import M64
from papvmm.clock import ticks_at
from papvmm.engine.engine import Engine
from papvmm.isa.msr import MSR_EE, MSR_ME, MSR_SF
from papvmm.isa.processors import DEFAULT_MODEL, CpuModel
from papvmm.isa.state import (
    CIA,
    DARN_COUNT,
    DARN_SEED,
    DEC_EXPIRY,
    GPR,
    IC_OFFSET,
    LPCR,
    LPCR_LD,
    MMCR0,
    MSR,
    NOW,
    PIR,
    PROCESS_TABLE,
    PURR_OFFSET,
    PVR,
    SPURR_OFFSET,
    STATE_SIZE,
    TB_OFFSET,
    VTB_OFFSET,
)
from papvmm.vpa.areas import VcpuAreas

PHYSICAL_CPU: Final = 0
"""The physical processor every vcpu is dispatched on."""

POWER_ON_MSR: Final = MSR_SF | MSR_ME
"""64-bit, big-endian, real mode, interrupts off, not the hypervisor."""

MMCR0_FC: Final = 0x8000_0000
"""The performance monitor counts nothing."""

POWER_ON_DEC: Final = 0x7FFF_FFFF
"""Ticks until the first decrementer interrupt of a guest that sets none: 4.2 s."""

_RUNNING_ON: Final = frozenset(
    (NOW, TB_OFFSET, PURR_OFFSET, SPURR_OFFSET, VTB_OFFSET, IC_OFFSET, DARN_SEED, DARN_COUNT)
)
"""What a reset does not stop: time, and the random numbers."""

_OF_THE_PARTITION: Final = (LPCR, PROCESS_TABLE)
"""What hypercalls set for every vcpu, started or not."""


class VcpuRunState(Enum):
    """What a vcpu waits for."""

    STOPPED = auto()
    """Not started, or after RTAS stop-self: start-cpu starts it."""
    RUNNABLE = auto()
    CEDED = auto()
    """In H_CEDE: an interrupt or H_PROD wakes it."""


_CEDED: Final = VcpuRunState.CEDED
"""Enum members take their time to be looked up."""


class Vcpu:
    """State of one vcpu; ``vcpu_id`` is the PAPR interrupt server number."""

    def __init__(
        self,
        vcpu_id: int,
        engine: Engine,
        areas: VcpuAreas,
        model: CpuModel = DEFAULT_MODEL,
    ) -> None:
        self.vcpu_id: Final = vcpu_id
        self.model: Final = model
        self.engine: Engine = engine
        """What runs it; another one on the same state may take its place between two runs."""
        self.state: Final = engine.state
        """The registers."""
        self.areas: Final = areas
        self.run_state = VcpuRunState.STOPPED
        self.prodded = False
        self.arch_compat = 0
        """The processor a VMM asked to be compatible with (ONE_REG), as a logical PVR; 0: none."""
        self.hypercalls: Final[defaultdict[int, int]] = defaultdict(int)
        """How many hypercalls it made that succeeded, by token, in this process."""
        self.refused: Final[dict[tuple[int, int], int]] = {}
        """How many were answered with another status, by token and status."""
        self.stolen_counts = 0
        """Virtual time (ns) in which the vcpu could have run but waited for its turn."""
        self.ran_until: int | None = 0
        """The count at which the vcpu's last turn ended; None while it has the turn."""

    def power_on(self) -> None:
        """Put the registers into the state after power-on, and wait for ``start``."""
        self._clear()
        self.state.write(LPCR, LPCR_LD if self.model.has_large_decrementer else 0)
        self.run_state = VcpuRunState.STOPPED

    def start(self, entry: int, r3: int, r4: int = 0) -> None:
        """Begin at real address ``entry``, as the boot vcpu does and those start-cpu starts.

        Registers are those after power-on, but for r3, r4 and what H_SET_MODE and
        H_REGISTER_PROC_TBL set for the whole partition.
        """
        state = self.state
        kept = [(cell, state.read(cell)) for cell in _OF_THE_PARTITION]
        self._clear()
        for cell, value in kept:
            state.write(cell, value)
        state.write(CIA, entry)
        state.write(GPR, r3, 3)
        state.write(GPR, r4, 4)
        self.run_state = VcpuRunState.RUNNABLE

    def _clear(self) -> None:
        state = self.state
        kept = [(cell, state.read(cell)) for cell in _RUNNING_ON]
        state.buffer[:] = bytes(STATE_SIZE)
        for cell, value in kept:
            state.write(cell, value)
        state.write(NOW, self.areas.door.clock.count)
        state.write(MSR, POWER_ON_MSR)
        state.write(PVR, self.model.pvr)
        state.write(PIR, self.vcpu_id)
        state.write(MMCR0, MMCR0_FC)
        timebase = ticks_at(state.read(NOW)) + state.read(TB_OFFSET)
        state.write(DEC_EXPIRY, timebase + POWER_ON_DEC)
        self.prodded = False

    @property
    def own_count(self) -> int:
        """The count its PURR, SPURR, VTB and IC follow: that stands still between its turns."""
        return self.areas.door.clock.count if self.ran_until is None else self.ran_until

    def begin_turn(self) -> None:
        """Let the counters that stood still since ``end_turn`` go on from there."""
        now, then = self.areas.door.clock.count, self.own_count
        self.ran_until = None
        ticks = ticks_at(now) - ticks_at(then)
        for offset in (PURR_OFFSET, SPURR_OFFSET, VTB_OFFSET):
            self.state.write(offset, self.state.read(offset) - ticks)
        self.state.write(IC_OFFSET, self.state.read(IC_OFFSET) - (now - then))

    def end_turn(self) -> None:
        """Let the counters of this vcpu's own time stand still."""
        self.ran_until = self.own_count

    def stand_by(self, ns: int) -> None:
        """Let time pass in its turn in which it executes nothing."""
        self.state.write(IC_OFFSET, self.state.read(IC_OFFSET) - ns)

    @property
    def instructions(self) -> int:
        """Instructions it has completed, since it was made or as ONE_REG has set them (IC)."""
        return self.own_count + self.state.read(IC_OFFSET) & M64

    def stop(self) -> None:
        """Stop until ``start``."""
        self.run_state = VcpuRunState.STOPPED

    def cede(self) -> bool:
        """Enable interrupts and wait for one, as H_CEDE does; tell whether the vcpu waits.

        A prod that came before is used up instead, and the vcpu goes on.
        """
        self.state.write(MSR, self.state.read(MSR) | MSR_EE)
        if self.prodded:
            self.prodded = False
            return False
        self.run_state = VcpuRunState.CEDED
        return True

    def wake(self) -> bool:
        """End a cede; tell whether there was one."""
        if self.run_state is not _CEDED:
            return False
        self.run_state = VcpuRunState.RUNNABLE
        return True

    def prod(self) -> bool:
        """Remember a prod, and end a cede; tell whether it did.

        Whether a prod that ended a cede is kept for the next one depends on the level.
        """
        level = self.areas.level
        woke = level.prod_wakes and self.wake()
        self.prodded = level.prod_outlives_wake or not woke
        return woke
