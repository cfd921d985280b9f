"""What reaches a vcpu from outside, between two runs of its engine."""

from typing import Final

from papvmm.bits import ones
from papvmm.clock import count_at, ticks_at
from papvmm.isa.interrupts import Interrupt, deliver
from papvmm.isa.state import (
    CIA,
    DEC_EXPIRY,
    DPDES,
    EXTERNAL,
    LARGE_DECREMENTER,
    LPCR,
    LPCR_LD,
    NOW,
    RESERVE_SIZE,
    TB_OFFSET,
    ArchState,
)

_SMALL: Final = ones(31)
_LARGE: Final = ones(LARGE_DECREMENTER - 1)
"""The highest value of the decrementer, whose sign bit is the exception."""
_NOW, _LPCR = NOW.place, LPCR.place
_DEC_EXPIRY, _TB_OFFSET = DEC_EXPIRY.place, TB_OFFSET.place


def decrementer_due(state: ArchState) -> int:
    """Return the count, NOW or later, at which there is a decrementer exception.

    There is one while DEC, as wide as LPCR[LD] says, is negative: it is a level, not an event
    (Power ISA v3.0B, Book III, 7.4). The interrupt waits for MSR[EE]; a ceded vcpu wakes.
    """
    q = state.doublewords
    now = q[_NOW]
    ticks = ticks_at(now)
    highest = _LARGE if q[_LPCR] & LPCR_LD else _SMALL
    left = q[_DEC_EXPIRY] - q[_TB_OFFSET] - ticks & (highest << 1 | 1)
    return now if left > highest else count_at(ticks + left + 1)


def set_external(state: ArchState, *, pending: bool) -> None:
    """Drive the external interrupt input, a level: 0x500 is taken while MSR[EE] is one."""
    state.write(EXTERNAL, pending)


def is_interrupted(state: ArchState) -> bool:
    """Tell whether an interrupt waits for MSR[EE]: what ends a cede at once."""
    pending = state.read(EXTERNAL) or state.read(DPDES)
    return bool(pending) or decrementer_due(state) == state.read(NOW)


def inject(state: ArchState, interrupt: Interrupt) -> None:
    """Take an interrupt, whatever MSR[EE] says: a system reset, say."""
    deliver(state, interrupt, state.read(CIA))


def end_slice(state: ArchState) -> None:
    """Drop the reservation: no reservation outlives a scheduler slice."""
    state.write(RESERVE_SIZE, 0)
