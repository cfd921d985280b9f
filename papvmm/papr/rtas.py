"""Run-time abstraction services (PAPR 7): the calls a guest makes through an argument buffer.

The buffer is big-endian words in guest RAM: token, number of arguments, number of returns,
the arguments, the returns. The first return is the status. A malformed buffer is answered and
changes nothing; only words the caller made room for are stored.
"""

from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

from papvmm.devices.rtc import NANOSECONDS
from papvmm.memory.door import Origin
from papvmm.papr.hcall import (
    CONTINUE,
    PARAMETER,
    GuestPanic,
    HcallContext,
    HcallResult,
    HcallStatus,
    PowerOff,
    Reboot,
    StopSelf,
    Then,
    Wake,
    tell_not_provided,
)
from papvmm.trace.events import GuestPanicked, RtasDone
from papvmm.vcpu.vcpu import VcpuRunState


class RtasStatus(IntEnum):
    """Status words."""

    SUCCESS = 0
    HARDWARE_ERROR = -1
    PARAMETER_ERROR = -3


class CpuState(IntEnum):
    """What query-cpu-stopped-state answers."""

    STOPPED = 0
    NOT_STOPPED = 2


class RtasResult(NamedTuple):
    """Words to return, status first, and what happens next; stop-self returns nothing."""

    returns: tuple[int, ...] = (RtasStatus.SUCCESS,)
    then: Then = CONTINUE


class RtasCall(NamedTuple):
    """One service: its token (QEMU's), name in the device tree, words taken and returned."""

    token: int
    name: str
    arguments: int
    returns: int
    handler: Callable[[HcallContext, tuple[int, ...]], RtasResult]


_DONE: Final = RtasResult()
_PARAMETER_ERROR: Final = RtasResult((RtasStatus.PARAMETER_ERROR,))
_NOTHING_COPIED: Final = RtasResult((RtasStatus.PARAMETER_ERROR, 0))

REAL_ADDRESS: Final = (1 << 60) - 1
"""Real mode ignores the first four bits of an address."""

LONGEST_MESSAGE: Final = 512
"""Bytes of an ibm,os-term message that are looked at."""


def display_character(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Show one character, the low byte of the argument."""
    context.console.write(bytes((args[0] & 0xFF,)))
    return _DONE


def get_time_of_day(context: HcallContext, _args: tuple[int, ...]) -> RtasResult:
    """Return the date (UTC): year, month, day, hour, minute, second, nanosecond."""
    from datetime import UTC, datetime  # noqa: PLC0415 - few guests ask

    seconds, nanoseconds = divmod(context.rtc.now, NANOSECONDS)
    now = datetime.fromtimestamp(seconds, UTC)
    date = (now.year, now.month, now.day, now.hour, now.minute, now.second)
    return RtasResult((RtasStatus.SUCCESS, *date, nanoseconds))


def set_time_of_day(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Set the date to a year, month, day, hour, minute and second; the nanosecond is ignored."""
    from datetime import UTC, datetime  # noqa: PLC0415 - few guests do

    year, month, day, hour, minute, second, _nanosecond = args
    try:
        date = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except (ValueError, OverflowError):
        return _PARAMETER_ERROR
    seconds = int(date.timestamp())
    if seconds < 0:
        return _PARAMETER_ERROR
    context.rtc.set(seconds * NANOSECONDS)
    return _DONE


def power_off(_context: HcallContext, _args: tuple[int, ...]) -> RtasResult:
    """Power the machine off; which events may power it on again is ignored."""
    return RtasResult(then=PowerOff())


def system_reboot(_context: HcallContext, _args: tuple[int, ...]) -> RtasResult:
    """Reset the machine."""
    return RtasResult(then=Reboot())


def query_cpu_stopped_state(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Return whether the vcpu named by the argument waits for start-cpu."""
    target = context.find_vcpu(args[0])
    if target is None:
        return _PARAMETER_ERROR
    is_stopped = target.run_state is VcpuRunState.STOPPED
    return RtasResult(
        (RtasStatus.SUCCESS, CpuState.STOPPED if is_stopped else CpuState.NOT_STOPPED)
    )


def start_cpu(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Start a stopped vcpu at a real address, with a value in r3."""
    vcpu_id, entry, r3 = args
    target = context.find_vcpu(vcpu_id)
    if target is None:
        return _PARAMETER_ERROR
    if target.run_state is not VcpuRunState.STOPPED:
        return RtasResult((RtasStatus.HARDWARE_ERROR,))
    target.start(entry, r3)
    return RtasResult(then=Wake(target))


def stop_self(context: HcallContext, _args: tuple[int, ...]) -> RtasResult:
    """Stop the caller, which gets no answer."""
    context.caller.stop()
    return RtasResult((), StopSelf())


def os_term(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """End the guest with the message whose address is the argument."""
    memory = context.memory
    room = min(LONGEST_MESSAGE, max(0, memory.size - args[0]))
    text = memory.read(args[0], room) if room else b""
    message = text.partition(b"\0")[0].decode("ascii", "replace")
    door, vcpu_id = context.door, context.caller.vcpu_id
    if GuestPanicked in door.tracer.wanted:
        door.tracer.emit(GuestPanicked(vcpu_id, door.generation, context.clock.icount, message))
    return RtasResult(then=GuestPanic(message))


def set_xive(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Route an interrupt source to a server, at a priority."""
    number, server, priority = args
    if number not in context.xics.sources or context.find_vcpu(server) is None:
        return _PARAMETER_ERROR
    context.xics.route(number, server, priority)
    return _DONE


def get_xive(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Return the server and the priority of an interrupt source."""
    source = context.xics.sources.get(args[0])
    if source is None:
        return _PARAMETER_ERROR
    return RtasResult((RtasStatus.SUCCESS, source.server, source.priority))


def int_off(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Keep the interrupts of a source back."""
    if args[0] not in context.xics.sources:
        return _PARAMETER_ERROR
    context.xics.mask(args[0])
    return _DONE


def int_on(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Let a source interrupt again."""
    if args[0] not in context.xics.sources:
        return _PARAMETER_ERROR
    context.xics.unmask(args[0])
    return _DONE


def _can_copy(context: HcallContext, index: int, buffer: int, length: int) -> bool:
    """Tell whether both NVRAM and RAM have the bytes that a call names."""
    return context.nvram.holds(index, length) and context.memory.holds(buffer, length)


def nvram_fetch(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Copy from NVRAM, at a byte index, to a real address, so many bytes; return how many."""
    index, buffer, length = args
    if not _can_copy(context, index, buffer, length):
        return _NOTHING_COPIED
    if length:
        origin = Origin("rtas", context.caller.vcpu_id)
        context.door.store(buffer, context.nvram.fetch(index, length), origin)
    return RtasResult((RtasStatus.SUCCESS, length))


def nvram_store(context: HcallContext, args: tuple[int, ...]) -> RtasResult:
    """Copy to NVRAM, at a byte index, from a real address, so many bytes; return how many."""
    index, buffer, length = args
    if not _can_copy(context, index, buffer, length):
        return _NOTHING_COPIED
    context.nvram.store(index, context.memory.read(buffer, length))
    return RtasResult((RtasStatus.SUCCESS, length))


RTAS_CALLS: Final = (
    RtasCall(0x2000, "display-character", 1, 1, display_character),
    RtasCall(0x2001, "get-time-of-day", 0, 8, get_time_of_day),
    RtasCall(0x2002, "set-time-of-day", 7, 1, set_time_of_day),
    RtasCall(0x2003, "power-off", 2, 1, power_off),
    RtasCall(0x2004, "system-reboot", 0, 1, system_reboot),
    RtasCall(0x2005, "query-cpu-stopped-state", 1, 2, query_cpu_stopped_state),
    RtasCall(0x2006, "start-cpu", 3, 1, start_cpu),
    RtasCall(0x2007, "stop-self", 0, 1, stop_self),
    RtasCall(0x200A, "ibm,set-xive", 3, 1, set_xive),
    RtasCall(0x200B, "ibm,get-xive", 1, 3, get_xive),
    RtasCall(0x200C, "ibm,int-off", 1, 1, int_off),
    RtasCall(0x200D, "ibm,int-on", 1, 1, int_on),
    RtasCall(0x2012, "nvram-fetch", 3, 2, nvram_fetch),
    RtasCall(0x2013, "nvram-store", 3, 2, nvram_store),
    RtasCall(0x201F, "ibm,os-term", 1, 1, os_term),
)

_BY_TOKEN: Final[Mapping[int, RtasCall]] = {call.token: call for call in RTAS_CALLS}


def serve(context: HcallContext, buffer: int) -> HcallResult:
    """Do the call described at real address ``buffer``; H_PARAMETER if there is none."""
    memory, buffer = context.memory, buffer & REAL_ADDRESS
    if not memory.holds(buffer, 12):
        return PARAMETER
    token, nargs, nret = (memory.load_be(buffer + offset, 4) for offset in (0, 4, 8))
    if not memory.holds(buffer, 12 + 4 * (nargs + nret)):
        return PARAMETER
    call = _BY_TOKEN.get(token)
    args: tuple[int, ...] = ()
    if call is None:
        tell_not_provided(context, "RTAS call", f"{token:#x}")
    if call is None or (nargs, nret) != (call.arguments, call.returns):
        result = _PARAMETER_ERROR
    else:
        args = tuple(memory.load_be(buffer + 12 + 4 * index, 4) for index in range(nargs))
        result = call.handler(context, args)
    returns = result.returns[:nret]
    if returns:
        words = b"".join((word & 0xFFFF_FFFF).to_bytes(4, "big") for word in returns)
        origin = Origin("rtas", context.caller.vcpu_id)
        context.door.store(buffer + 12 + 4 * nargs, words, origin)
    _trace(context, call.name if call else f"{token:#x}", args, returns)
    status = HcallStatus.H_PARAMETER if call is None else HcallStatus.H_SUCCESS
    return HcallResult(status, then=result.then)


def _trace(
    context: HcallContext, name: str, args: tuple[int, ...], returns: tuple[int, ...]
) -> None:
    door = context.door
    if RtasDone in door.tracer.wanted:
        door.tracer.emit(
            RtasDone(
                context.caller.vcpu_id, door.generation, context.clock.icount,
                name, args, returns,
            )
        )  # fmt: skip
