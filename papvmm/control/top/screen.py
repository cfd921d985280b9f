"""One screen of ``papvmm top``, as lines of styled text: the same for a terminal and for a pipe."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from papvmm.clock import SECOND, TIMEBASE_HZ
from papvmm.control.top.change import Change
from papvmm.control.top.sample import LogEntry, Sample, VcpuSample
from papvmm.control.top.symbols import place
from papvmm.control.top.table import Column, Line, Span, Style, table
from papvmm.trace.events import HvWrite
from papvmm.vpa.dtl import DTL_ENTRY, DispatchReason, PreemptReason
from papvmm.vpa.layout import Area

WIDE: Final = 132
"""Columns from which vcpus and their areas are in one table."""
_BARS: Final = " ▁▂▃▄▅▆▇█"
_STATES: Final = {"run": Style.RUN, "preempted": Style.WAITING, "stopped": Style.DIM}
_AREAS: Final = (Area.VPA.name, Area.SLB_SHADOW.name, Area.DTL.name)

_VCPU: Final = (
    Column("cpu", 3, right=True), Column("state", 9), Column("nip", 0),
    Column("run", 4, right=True), Column("wait", 4, right=True), Column("idle", 4, right=True),
    Column("yields", 10, right=True), Column("hcalls/s", 9, right=True),
    Column("stale", 6, right=True),
)  # fmt: skip
_AREA: Final = (
    Column("VPA", 12), Column("SLB shadow", 12), Column("DTL", 12),
    Column("log used/size", 13, right=True),
)  # fmt: skip
_CPU: Final = Column("cpu", 3, right=True)
_LOG: Final = (
    _CPU, Column("timebase", 14), Column("reason", 19), Column("wait us", 9, right=True),
    Column("srr0", 0),
)  # fmt: skip
_WRITES: Final = (
    Column("icount", 15, right=True), _CPU, Column("gpa", 10), Column("stored", 18),
    Column("what", 0),
)  # fmt: skip


class Panels(NamedTuple):
    """How many lines of the log and of the stores are shown, their titles not counted."""

    log: int
    writes: int


def screen(change: Change, width: int, panels: Panels) -> list[Line]:
    """Return the screen of what happened last."""
    after = change.after
    lines = [_headline(after, change), ()]
    lines += _vcpus(change, width)
    lines += [(), _hypercalls(change, width)]
    lines += _alarm(after)
    if panels.log:
        lines += [(), *_log(after, width, panels.log)]
    if panels.writes:
        lines += [(), *_writes(after, width, panels.writes)]
    return lines


def _headline(sample: Sample, change: Change) -> Line:
    kernel = sample.kernel.path.rpartition("/")[2] if sample.kernel else "no kernel"
    style = Style.RUN if sample.status == "running" else Style.WAITING
    resets = f"{sample.resets} reset{'' if sample.resets == 1 else 's'}"
    return (
        Span(sample.name or kernel, Style.BOLD),
        Span("  "),
        Span(sample.status.upper(), style),
        Span(f"  {resets}  @ {sample.icount:,}  {sample.count / SECOND:.3f} s"),
        Span(f"  {change.mips:,.1f} MIPS", Style.BOLD),
    )


def _vcpus(change: Change, width: int) -> list[Line]:
    sample = change.after
    vcpus = [_vcpu_row(change, number) for number in range(len(sample.vcpus))]
    areas = [_area_row(sample, vcpu) for vcpu in sample.vcpus]
    if width >= WIDE:
        both = [vcpu + area for vcpu, area in zip(vcpus, areas, strict=True)]
        return table((*_VCPU, *_AREA), both, width)
    beside = [(vcpu[0], *area) for vcpu, area in zip(vcpus, areas, strict=True)]
    return [*table(_VCPU, vcpus, width), (), *table((_CPU, *_AREA), beside, width)]


def _vcpu_row(change: Change, number: int) -> tuple[Span, ...]:
    vcpu, shares = change.after.vcpus[number], change.shares(number)
    stale = sum(vcpu.stale_writes.values())
    return (
        Span(str(vcpu.vcpu_id)),
        Span(vcpu.state, _STATES.get(vcpu.state, Style.PLAIN)),
        Span(place(change.after.kernel, vcpu.nip)),
        *(Span(f"{share:.0%}") for share in shares),
        Span(f"{vcpu.yield_count}"),
        Span(f"{change.hypercalls(number):,.0f}"),
        Span(f"{stale}", Style.ALARM if stale else Style.PLAIN),
    )


def _area_row(sample: Sample, vcpu: VcpuSample) -> tuple[Span, ...]:
    log = vcpu.areas.get(Area.DTL.name)
    if log is None:
        used = Span("-", Style.DIM)
    else:
        size = log.length // DTL_ENTRY.size
        filled = min(vcpu.log_index, size)
        used = Span(f"{_BARS[filled * (len(_BARS) - 1) // size]} {filled}/{size}")
    return (*(_area(sample, vcpu, kind) for kind in _AREAS), used)


def _area(sample: Sample, vcpu: VcpuSample, kind: str) -> Span:
    """Return where an area is; it alarms if a kernel that is gone registered it."""
    area = vcpu.areas.get(kind)
    if area is None:
        return Span("-", Style.DIM)
    return Span(f"{area.gpa:#x}", Style.ALARM if area.generation < sample.resets else Style.PLAIN)


def _hypercalls(change: Change, width: int) -> Line:
    text = "hypercalls/s "
    for name, rate in change.hypercalls_by_name():
        one = f" {name} {rate:,.0f}"
        if len(text + one) > width:
            break
        text += one
    return (Span(text),)


def _alarm(sample: Sample) -> Iterator[Line]:
    """Say what is being stored into memory of another kernel than the one that gave it."""
    write = sample.latest_stale
    if write is None:
        return
    total = sum(sum(vcpu.stale_writes.values()) for vcpu in sample.vcpus)
    yield (Span(f"STALE: {total:,} stores into areas of a kernel that is gone", Style.ALARM),)
    where = f"{write.gpa:#x} {write.field} by vcpu {write.vcpu_id} @ {write.icount:,}"
    yield (Span(f"       the last at {where}", Style.ALARM),)


def _log(sample: Sample, width: int, most: int) -> list[Line]:
    if not sample.log:
        return [_title("dispatch trace log: no entry")]
    rows = [_log_row(sample, entry) for entry in reversed(sample.log[-most:])]
    return [_title("dispatch trace log, newest first"), *table(_LOG, rows, width)]


def _log_row(sample: Sample, entry: LogEntry) -> tuple[Span, ...]:
    waited = entry.enqueue_to_dispatch_time * 1_000_000 / TIMEBASE_HZ
    return (
        Span(str(entry.vcpu_id)),
        Span(f"{entry.timebase:#x}"),
        Span(_reason(entry)),
        Span(f"{waited:,.1f}"),
        Span(place(sample.kernel, entry.srr0)),
    )


def _reason(entry: LogEntry) -> str:
    """Return why a vcpu was dispatched, and why it had been preempted if the log says so."""
    reason = _named(DispatchReason, entry.dispatch_reason)
    if entry.preempt_reason == PreemptReason.UNUSED:
        return reason
    return f"{reason} {_named(PreemptReason, entry.preempt_reason)}"


def _named(reasons: type[DispatchReason] | type[PreemptReason], number: int) -> str:
    names = {reason.value: reason.name for reason in reasons}
    return names.get(number, str(number))


def _writes(sample: Sample, width: int, most: int) -> list[Line]:
    rows = [_write_row(write) for write in reversed(sample.writes[-most:])]
    title = f"hypervisor writes, newest of {sample.writes_total:,} first"
    return [_title(title), *table(_WRITES, rows, width)]


def _write_row(write: HvWrite) -> Sequence[Span]:
    style = Style.ALARM if write.is_stale else Style.PLAIN
    texts = (
        f"{write.icount:,}", str(write.vcpu_id), f"{write.gpa:#x}", write.new.hex(),
        f"{write.field or write.actor} ({write.actor})",
    )  # fmt: skip
    return [Span(text, style) for text in texts]


def _title(text: str) -> Line:
    return (Span(text, Style.BOLD),)
