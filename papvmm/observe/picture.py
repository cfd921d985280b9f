"""An exhibit as one picture: a standalone SVG of its result, for a README."""

from collections.abc import Iterator
from typing import Final

from papvmm.observe.exhibit import Exhibit, Result
from papvmm.observe.heat_map import PAGE_HEIGHT, heat_map
from papvmm.observe.heat_map import WIDTH as MAP_WIDTH
from papvmm.observe.markup import Node, node, style, write
from papvmm.observe.page_map import pages_shown
from papvmm.observe.timeline import ARROW, axis_of, height, timeline
from papvmm.observe.timeline import WIDTH as TIMELINE_WIDTH
from papvmm.observe.verdict import headline, is_bad

MARGIN: Final = 28.0
WIDTH: Final = 2 * MARGIN + TIMELINE_WIDTH
RIGHT: Final = WIDTH - MARGIN - MAP_WIDTH
MAPS: Final = 122.0


def picture(exhibit: Exhibit) -> str:
    """Return the file's text."""
    results = (exhibit.harmed, exhibit.cured)
    pages = pages_shown(*(result.record for result in results))
    bottom = MAPS + len(pages) * PAGE_HEIGHT
    parts = list(_timeline(exhibit, bottom + 36))
    total = bottom + 20 + (height(exhibit.harmed.scene.config.vcpus) + 26 if parts else 0)
    demonstration = exhibit.demonstration
    root = node(
        "svg",
        node("title", f"papvmm demo {demonstration.name}: {demonstration.title}"),
        style("pictures.css"),
        ARROW,
        node("rect", width=WIDTH, height=total, rx=12, class_="backdrop"),
        node("text", f"papvmm demo: {demonstration.title}", x=MARGIN, y=44, class_="title"),
        *_column(exhibit.harmed, pages, MARGIN),
        *_column(exhibit.cured, pages, RIGHT),
        *parts,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH:g} {total:g}",
        width=WIDTH,
        height=total,
        role="img",
    )
    return f"{write(root)}\n"


def _column(result: Result, pages: tuple[int, ...], x: float) -> Iterator[Node]:
    name = "verdict bad" if is_bad(result) else "verdict fine"
    yield node("text", result.scene.label, x=x, y=76, class_="dim")
    yield node("text", headline(result), x=x, y=104, class_=name)
    drawing = heat_map(result.record, pages, result.looked)
    yield node("g", drawing, transform=f"translate({x:g} {MAPS:g})")


def _timeline(exhibit: Exhibit, y: float) -> Iterator[Node]:
    harmed = exhibit.harmed
    if harmed.record.handover is None:
        return
    axis = axis_of((harmed, exhibit.cured))
    drawing = timeline(harmed, exhibit.demonstration.names, axis)
    yield node("text", harmed.scene.label, x=MARGIN, y=y - 8, class_="dim")
    yield node("g", drawing, transform=f"translate({MARGIN:g} {y:g})")
