"""The page heat map: every 16 bytes of the areas' pages, after the handover, as a cell."""

from collections.abc import Iterable, Iterator
from math import log2
from typing import Final

from papvmm.memory.guest_memory import PAGE
from papvmm.observe.markup import Node, node
from papvmm.observe.page_map import Cell, Mark, cells_of
from papvmm.observe.record import RunRecord
from papvmm.observe.wording import AREA_TEXT
from papvmm.trace.events import Registration

CELL_BYTES: Final = 16
ACROSS: Final = 64
CELL_WIDTH: Final = 7.0
CELL_HEIGHT: Final = 13.0
LABEL: Final = 52.0
HEADING: Final = 22.0
GAP: Final = 14.0

WIDTH: Final = LABEL + ACROSS * CELL_WIDTH + 6
ROWS: Final = PAGE // CELL_BYTES // ACROSS
PAGE_HEIGHT: Final = HEADING + ROWS * CELL_HEIGHT + GAP

_CLASS: Final = {
    Mark.OWN: "own",
    Mark.OVERWRITTEN: "overwritten",
    Mark.FOREIGN: "foreign",
}


def heat_map(record: RunRecord, pages: Iterable[int], until: int) -> Node:
    """Draw ``pages`` one below the other; places first hit after ``until`` are left out."""
    drawn = [
        node("g", *_page(record, page, until), transform=f"translate(0 {index * PAGE_HEIGHT:g})")
        for index, page in enumerate(pages)
    ]
    return node("g", *drawn)


def _page(record: RunRecord, page: int, until: int) -> Iterator[Node]:
    areas = [area for area in record.earlier_areas if page <= area.gpa < page + PAGE]
    names = (f"{AREA_TEXT[area.area]} of vcpu{area.vcpu_id}" for area in areas)
    owners = ", ".join(dict.fromkeys(names))
    yield node("text", f"{page:#x}", x=0, y=15, class_="mono strong")
    yield node("text", owners, x=LABEL + 38, y=15, class_="small dim")
    for row in range(ROWS):
        y = HEADING + (row + 1) * CELL_HEIGHT - 2
        offset = f"+{row * CELL_BYTES * ACROSS:03x}"
        yield node("text", offset, x=0, y=y, class_="mono small dim")
    yield from _grid()
    for index, cell in enumerate(cells_of(record.spots, page, CELL_BYTES, until)):
        if cell.mark is not Mark.NONE:
            yield _cell(index, cell)
    for area in areas:
        yield from _outline(area, page)


def _grid() -> Iterator[Node]:
    """Draw a page that the hypervisor left alone."""
    width, height = ACROSS * CELL_WIDTH, ROWS * CELL_HEIGHT
    lines = [f"M{LABEL + i * CELL_WIDTH:g} {HEADING:g}v{height:g}" for i in range(1, ACROSS)]
    lines += [f"M{LABEL:g} {HEADING + i * CELL_HEIGHT:g}h{width:g}" for i in range(1, ROWS)]
    yield node("rect", x=LABEL, y=HEADING, width=width, height=height, class_="cell")
    yield node("path", d="".join(lines), class_="grid")


def _cell(index: int, cell: Cell) -> Node:
    row, column = divmod(index, ACROSS)
    # A cell that is stored to often is darker: full colour from 64 stores on.
    strength = min(1.0, 0.75 + 0.042 * log2(cell.stores))
    return node(
        "rect",
        node("title", cell.title),
        x=LABEL + column * CELL_WIDTH + 0.5,
        y=HEADING + row * CELL_HEIGHT + 0.5,
        width=CELL_WIDTH - 1,
        height=CELL_HEIGHT - 1,
        class_=_CLASS[cell.mark],
        opacity=strength,
    )


def _outline(area: Registration, page: int) -> Iterator[Node]:
    """Draw the outline of an area, which may end within a row."""
    first = (area.gpa - page) // CELL_BYTES
    last = min(first + -(-area.length // CELL_BYTES), PAGE // CELL_BYTES)
    top, left = divmod(first, ACROSS)
    bottom, right = divmod(last - 1, ACROSS)
    xs = [LABEL + column * CELL_WIDTH for column in (0, left, right + 1, ACROSS)]
    ys = [HEADING + row * CELL_HEIGHT for row in (top, top + 1, bottom, bottom + 1)]
    if top == bottom:
        corners = [(xs[1], ys[0]), (xs[2], ys[0]), (xs[2], ys[3]), (xs[1], ys[3])]
    else:
        corners = [
            (xs[1], ys[0]), (xs[3], ys[0]), (xs[3], ys[2]), (xs[2], ys[2]),
            (xs[2], ys[3]), (xs[0], ys[3]), (xs[0], ys[1]), (xs[1], ys[1]),
        ]  # fmt: skip
    points = " ".join(f"{x:g},{y:g}" for x, y in corners)
    yield node("polygon", points=points, class_="outline")
