"""A comparison as text, 80 columns wide: what ``papvmm bench`` prints."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from papvmm.observe.bench.catalogue import Kind
from papvmm.observe.bench.figures import (
    Comparison,
    Measure,
    Row,
    Sample,
    cpu_time,
    guest_time,
    median_of,
    wall_time,
)

MEASURES: Final = (guest_time, wall_time, cpu_time)
"""What ratios are shown of."""


def table(comparison: Comparison) -> str:
    """Return the lines; figures are medians, ratios medians of the pairs' ratios."""
    programs = [row for row in comparison.good if row.benchmark.kind is not Kind.EVENT]
    events = [row for row in comparison.good if row.benchmark.kind is Kind.EVENT]
    bad = (f"{row.benchmark.name}: {row.trouble}" for row in comparison.rows if row.trouble)
    sections = (
        (heading(comparison),),
        _programs(programs, comparison) if programs else (),
        _events(events) if events else (),
        bad,
    )
    return "\n\n".join(filter(None, map("\n".join, sections)))


def heading(comparison: Comparison) -> str:
    """Say what was measured."""
    against = f"against QEMU {comparison.qemu} (TCG), " if comparison.qemu else ""
    runs = "1 run" if comparison.runs == 1 else f"medians of {comparison.runs} runs"
    accel = f"{comparison.accel}, cold" if comparison.cold else comparison.accel
    return f"papvmm -accel {accel}, {against}scale {comparison.scale}, {runs}"


def significant(value: float) -> str:
    """Write a figure with three digits that mean something."""
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f}"


def _programs(rows: list[Row], comparison: Comparison) -> Iterator[str]:
    ratios = "papvmm / QEMU" if comparison.qemu else ""
    yield _line("", "million", ("papvmm", ""), (comparison.qemu and "QEMU", ""), ("", ratios, ""))
    speed = ("s", "M/s")
    names = ("time", "wall", "CPU") if comparison.qemu else ()
    yield _line("", "instructions", speed, speed if comparison.qemu else (), names)
    for row in rows:
        millions = row.instructions / 1e6
        yield _line(
            row.benchmark.name,
            f"{millions:,.1f}",
            _speed(row.ours, millions),
            _speed(row.theirs, millions),
            _ratios(row.ratio),
        )
    if len(rows) > 1 and comparison.qemu:
        yield _line("", "geometric mean", (), (), _ratios(comparison.geomean))


def _events(rows: list[Row]) -> Iterator[str]:
    yield _line("", "", ("papvmm",), ("QEMU" if rows[0].theirs else "",), ())
    for row in rows:
        yield _line(
            row.benchmark.name,
            row.ours[0].event,
            _each(row.ours),
            _each(row.theirs),
            _ratios(row.ratio)[:1],
        )


def _speed(samples: tuple[Sample, ...], millions: float) -> tuple[str, ...]:
    if not samples:
        return ()
    seconds = median_of(samples, guest_time)
    return (significant(seconds), significant(millions / seconds))


def _each(samples: tuple[Sample, ...]) -> tuple[str, ...]:
    if not samples:
        return ()
    microseconds = 1e6 * median_of(samples, guest_time) / samples[0].events
    if microseconds < 1:
        return (f"{significant(1000 * microseconds)} ns",)
    return (f"{significant(microseconds)} µs",)


def _ratios(ratio: Callable[[Measure], float | None]) -> tuple[str, ...]:
    values = map(ratio, MEASURES)
    return tuple(significant(value) for value in values if value is not None)


def _line(
    name: str, what: str, ours: Iterable[str], theirs: Iterable[str], ratios: Iterable[str]
) -> str:
    def columns(texts: Iterable[str], width: int) -> str:
        return "".join(f"{text:>8}" for text in texts).ljust(width)

    return (
        f"{name:11}{what:>19}{columns(ours, 18)}{columns(theirs, 18)}{columns(ratios, 0)}".rstrip()
    )
