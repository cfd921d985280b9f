"""What the marks in the pictures mean."""

from collections.abc import Iterable

from papvmm.observe.exhibit import Names
from papvmm.observe.markup import Node, node
from papvmm.observe.page_map import Mark, mark_of
from papvmm.observe.record import RunRecord


def map_legend(records: Iterable[RunRecord], names: Names) -> Node:
    """Explain the page map's cells, of those that occur."""
    before, after = names
    area = f"area of {before}"
    meanings = {
        Mark.FOREIGN: (_cell("foreign"), f"{area}: {after}'s bytes are gone"),
        Mark.OVERWRITTEN: (_cell("overwritten"), f"{area}: {after} has stored there since"),
        Mark.OWN: (_cell("own"), "area of the kernel that runs"),
    }
    seen = {mark_of(spot) for record in records for spot in record.spots}
    return _legend(
        *(meaning for mark, meaning in meanings.items() if mark in seen),
        (_cell("cell"), "untouched"),
        (_mark(node("rect", x=1, y=3, width=14, height=10, class_="outline")), "registered area"),
    )


def timeline_legend(names: Names) -> Node:
    """Explain the timeline's marks."""
    waiting = node("line", x1=0, x2=16, y1=8, y2=8, class_="waiting")
    flag = node("path", d="M4 15v-14l9 4l-9 4", class_="flag")
    ring = node("circle", cx=8, cy=8, r=5, class_="unregistered")
    dot = node("circle", cx=8, cy=8, r=2.2, class_="own")
    cross = node("path", d="M4 4l8 8m0 -8l-8 8", class_="foreign-tick")
    stale = (
        (_block("new-kernel"), f"{names.after} runs"),
        (_mark(cross), f"store into {names.after}'s memory"),
    )
    return _legend(
        (_block("old-kernel"), f"{names.before} runs"),
        *(stale[:1] if names.after else ()),
        (_mark(waiting), "waits (H_CEDE, or for its turn)"),
        (_mark(flag), "area registered"),
        (_mark(ring), "area unregistered"),
        (_mark(dot), "store into a registered area"),
        *(stale[1:] if names.after else ()),
    )


def _legend(*entries: tuple[Node, str]) -> Node:
    return node("p", *(node("span", mark, f" {text}") for mark, text in entries), class_="legend")


def _mark(drawing: Node) -> Node:
    return node("svg", drawing, width=16, height=16, viewBox="0 0 16 16")


def _cell(name: str) -> Node:
    return _mark(node("rect", x=3, y=2, width=10, height=12, class_=name))


def _block(name: str) -> Node:
    return _mark(node("rect", x=1, y=3, width=14, height=10, rx=2, class_=name))
