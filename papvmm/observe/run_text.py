"""A run as text, 80 columns wide: the twin of its report."""

from collections.abc import Iterator
from textwrap import shorten
from typing import Final

from papvmm.memory.guest_memory import PAGE
from papvmm.observe.exhibit import outcome_text
from papvmm.observe.page_map import cells_of, pages_shown
from papvmm.observe.run import Run, registrations_in
from papvmm.observe.text import (
    CELLS,
    WIDTH,
    at,
    hits,
    labelled,
    labelled_paragraph,
    plain,
    symbol_of,
)
from papvmm.observe.wording import AREA_TEXT, counted, handover_text, setting

MOST_PAGES: Final = 16
MOST_ROWS: Final = 24
MOST_CALLS: Final = 12


def run_text(run: Run) -> str:
    """Return the whole text."""
    sections = (_title(run), _registrations(run), _pages(run), hits(run.result, plain), _calls(run))
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, sections) if lines)


def _title(run: Run) -> Iterator[str]:
    result = run.result
    left, right = f"papvmm report: {run.kernels}", setting(result.scene.config)
    yield left if len(left) + len(right) >= WIDTH else left + right.rjust(WIDTH - len(left))
    yield from labelled_paragraph("verdict", run.headline)
    for finding in run.findings():
        yield from labelled_paragraph("", finding)
    yield from labelled_paragraph("end", f"{outcome_text(result.outcome)} {at(result.record.end)}")


def _registrations(run: Run) -> Iterator[str]:
    rows = registrations_in(run.result)
    if len(rows) > MOST_ROWS:
        yield labelled("", f"the latest areas; {len(rows) - MOST_ROWS:,} came before")
    for row in rows[-MOST_ROWS:]:
        area = row.registration
        where = f"{AREA_TEXT[area.area]} {area.gpa:#x}, {area.length:,} bytes"
        yield from labelled_paragraph(
            f"vcpu{area.vcpu_id}", f"{where}: {row.who} {at(area.icount)}; until {row.until}"
        )


def _pages(run: Run) -> Iterator[str]:
    record = run.result.record
    every = pages_shown(record)
    handover = record.handover
    if handover is not None:
        yield labelled("", f"before and after: {handover_text(handover)} {at(handover.icount)}")
    sides = [record.spots] if handover is None else [record.earlier_spots, record.spots]
    for page in every[:MOST_PAGES]:
        strips = (
            "".join(map(symbol_of, cells_of(spots, page, PAGE // CELLS, record.end + 1)))
            for spots in sides
        )
        yield labelled(f"{page:#x}", "  ".join(strips))
    if every:
        yield labelled("", "▒ areas in use   █ the next kernel's bytes are gone")
    if len(every) > MOST_PAGES:
        yield labelled("", f"… and {len(every) - MOST_PAGES:,} more pages")


def _calls(run: Run) -> Iterator[str]:
    for call, count in run.calls[:MOST_CALLS]:
        yield f"  {count:>11,}  {shorten(f'{call.name} {call.answer}', WIDTH - 16)}"
    left = len(run.calls) - MOST_CALLS
    if left > 0:
        yield f"  {'':>11}  … and {counted(left, 'more kind')} of calls"
