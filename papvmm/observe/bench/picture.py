"""A comparison as one picture: a standalone SVG of papvmm's time divided by QEMU's, for a README.

The scale is logarithmic, so that half and double the time are as long; bars begin at 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, floor, log
from typing import Final

from papvmm.observe.bench.catalogue import Kind
from papvmm.observe.bench.figures import Comparison, guest_time
from papvmm.observe.bench.table import heading, significant
from papvmm.observe.markup import Node, node, style, write

MARGIN: Final = 28.0
LABELS: Final = 168.0
PLOT: Final = 560.0
FIGURES: Final = 64.0
"""Room beside the longest bar for its figure."""

WIDTH: Final = 2 * MARGIN + LABELS + 2 * FIGURES + PLOT
HALO: Final = "paint-order:stroke;stroke:var(--paper);stroke-width:4px"
"""Keeps a figure readable where it crosses a line of the scale."""

TOP: Final = 128.0
STEP: Final = 25.0
BAR: Final = 15.0


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic scale over whole powers of ``base``."""

    base: int
    lowest: int
    highest: int

    def x(self, ratio: float) -> float:
        """Return where a ratio is, from the picture's left."""
        part = (log(ratio, self.base) - self.lowest) / (self.highest - self.lowest)
        return MARGIN + LABELS + FIGURES + PLOT * part

    @property
    def marks(self) -> tuple[tuple[str, float], ...]:
        """The powers of the base, and how they are written."""
        powers = range(self.lowest, self.highest + 1)
        return tuple((_power(self.base, n), float(self.base) ** n) for n in powers)


def axis_of(ratios: list[float]) -> Axis:
    """Return an axis that has 1, a step to both sides of it, and every ratio."""
    base = 2 if max(ratios) / min(ratios) <= 64 and max(ratios) <= 32 else 10
    lowest = min(-1, floor(log(min(ratios), base)))
    return Axis(base, lowest, max(1, ceil(log(max(ratios), base))))


def picture(comparison: Comparison) -> str:
    """Return the file's text; there must be a ratio."""
    groups = tuple(_groups(comparison))
    axis = axis_of([ratio for _, bars in groups for _, ratio in bars])
    drawn = []
    y = TOP
    for title, bars in groups:
        drawn.append(node("text", title, x=MARGIN, y=y + 12, class_="strong"))
        y += STEP
        for name, ratio in bars:
            drawn.extend(_bar(axis, y, name, ratio))
            y += STEP
        y += STEP / 2
    height = y + MARGIN / 2
    root = node(
        "svg",
        node("title", "papvmm bench: papvmm's time divided by QEMU's"),
        style("pictures.css"),
        node("rect", width=WIDTH, height=height, rx=12, class_="backdrop"),
        node("text", "papvmm's time / QEMU's time", x=MARGIN, y=44, class_="title"),
        node("text", heading(comparison), x=MARGIN, y=70, class_="dim"),
        *_scale(axis, y - STEP / 2),
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        width=WIDTH,
        height=height,
        role="img",
    )
    return f"{write(root)}\n"


def _groups(comparison: Comparison) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    ratios = [
        (row.benchmark, ratio)
        for row in comparison.rows
        if (ratio := row.ratio(guest_time)) is not None
    ]
    programs = [(bench.name, ratio) for bench, ratio in ratios if bench.kind is not Kind.EVENT]
    mean = comparison.geomean(guest_time)
    if mean is not None and len(programs) > 1:
        programs.append(("geometric mean", mean))
    events = [(bench.name, ratio) for bench, ratio in ratios if bench.kind is Kind.EVENT]
    if programs:
        yield "programs", programs
    if events:
        yield "events", events


def _scale(axis: Axis, bottom: float) -> Iterator[Node]:
    one = axis.x(1)
    yield node(
        "text", "◂ papvmm is faster", x=one - 8, y=96, text_anchor="end", class_="small fine"
    )
    yield node("text", "QEMU is faster ▸", x=one + 8, y=96, class_="small bad")
    for text, ratio in axis.marks:
        x = axis.x(ratio)
        name = "handover" if ratio == 1 else "rule"
        yield node("line", x1=x, x2=x, y1=TOP - 6, y2=bottom, class_=name)
        yield node("text", text, x=x, y=TOP - 12, text_anchor="middle", class_="small dim")


def _bar(axis: Axis, y: float, name: str, ratio: float) -> Iterator[Node]:
    one, end = axis.x(1), axis.x(ratio)
    left = ratio < 1
    strong = " strong" if name == "geometric mean" else ""
    yield node("text", name, x=MARGIN + 12, y=y + 12, class_=f"mono{strong}")
    yield node(
        "rect", x=min(one, end), y=y, width=abs(end - one), height=BAR, rx=2,
        class_="fine" if left else "bad",
    )  # fmt: skip
    yield node(
        "text", significant(ratio), x=end - 6 if left else end + 6, y=y + 12,
        text_anchor="end" if left else "start", class_=f"small{strong}", style=HALO,
    )  # fmt: skip


def _power(base: int, exponent: int) -> str:
    return f"1/{base**-exponent:,}" if exponent < 0 else f"{base**exponent:,}"
