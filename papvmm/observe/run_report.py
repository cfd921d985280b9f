"""The report of any run: one HTML file that shows what the hypervisor did to a guest's memory."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from papvmm.observe.exhibit import Result, outcome_text
from papvmm.observe.heat_map import heat_map
from papvmm.observe.legend import map_legend
from papvmm.observe.markup import Node, node
from papvmm.observe.page_map import pages_shown
from papvmm.observe.run import Run, registrations_in
from papvmm.observe.sections import (
    activity,
    card,
    console,
    differences,
    document,
    page_map,
    timelines,
)
from papvmm.observe.wording import AREA_TEXT, setting

MOST_PAGES: Final = 16
MOST_ROWS: Final = 40
CONSOLE_LINES: Final = 40


def run_report(run: Run) -> str:
    """Return the file's text."""
    return document(f"papvmm report: {run.kernels}", _sections(run))


def _sections(run: Run) -> Iterator[Node]:
    result = run.result
    yield _masthead(run)
    lines = (*run.findings(), f"In the end: {outcome_text(result.outcome)}.")
    yield node("section", card("verdict", run.headline, lines, bad=run.is_bad), class_="verdicts")
    if result.record.registrations:
        yield _registrations(run)
        yield _maps(run)
        yield timelines((result,), run.names, _about_time(result))
    if result.corruption.hits:
        yield differences(
            result,
            f"Bytes of {run.names.after}, as it left them and as they are, with the hypervisor's"
            " reason to store there.",
        )
    if result.record.activity:
        yield activity((result,), "How often")
    if run.calls:
        yield _calls(run)
    if result.record.console:
        yield node("section", node("h2", "What the guest said"), console(result, CONSOLE_LINES))


def _masthead(run: Run) -> Node:
    config = run.result.scene.config
    end = f"{run.result.record.end:,} instructions"
    return node(
        "header",
        node("p", "papvmm report", class_="kicker"),
        node("h1", run.kernels, class_="file"),
        node("p", f"{setting(config)} · {config.cpu} on {config.hv} · {end}", class_="facts"),
    )


def _registrations(run: Run) -> Node:
    rows = registrations_in(run.result)
    heads = ("vcpu", "area", "gpa", "bytes", "registered", "by", "until")
    shown = [
        node(
            "tr",
            node("td", f"{row.registration.vcpu_id}", class_="number"),
            node("td", AREA_TEXT[row.registration.area], class_="short"),
            node("td", f"{row.registration.gpa:#x}", class_="gpa"),
            node("td", f"{row.registration.length:,}", class_="number"),
            node("td", f"@{row.registration.icount:,}", class_="number"),
            node("td", row.who, class_="who"),
            node("td", row.until, class_="until stale" if row.outlived else "until"),
        )
        for row in rows[-MOST_ROWS:]
    ]
    left = len(rows) - len(shown)
    return node(
        "section",
        node("h2", "Who registered what, and when"),
        *([node("p", f"The latest; {left:,} came before.")] if left else []),
        node(
            "div",
            node(
                "table",
                node("thead", node("tr", *(node("th", head) for head in heads))),
                node("tbody", *shown),
                class_="rows",
            ),
            class_="scroll",
        ),
    )


def _maps(run: Run) -> Node:
    record, names = run.result.record, run.names
    every = pages_shown(record)
    pages = every[:MOST_PAGES]
    shown = [("areas in use" if record.handover is None else f"{names.after}, at the end", record)]
    if record.handover is not None:
        earlier = replace(record, spots=record.earlier_spots)
        shown.insert(0, (f"{names.before}, before the reset", earlier))
    figures = [
        page_map(label, heat_map(one, pages, record.end + 1), len(pages)) for label, one in shown
    ]
    left = len(every) - len(pages)
    return node(
        "section",
        node("h2", "Whose bytes are these?"),
        node("p", "The pages with areas, 16 bytes a cell: where the hypervisor has stored."),
        map_legend((one for _, one in shown), names),
        node("div", *figures, class_="pair"),
        *([node("p", f"… and {left:,} more pages")] if left else []),
    )


def _about_time(result: Result) -> str:
    about = "Time is counted in instructions of all vcpus."
    if result.record.handover is not None:
        about += " Its scale changes in the middle, at the last reset."
    if result.record.since:
        about += f" Stores before @{result.record.since:,} were too many to be drawn."
    return about


def _calls(run: Run) -> Node:
    rows = [
        node(
            "tr",
            node("td", call.name, class_="gpa"),
            node("td", call.answer),
            node("td", f"{count:,}", class_="number"),
        )
        for call, count in run.calls[:MOST_ROWS]
    ]
    return node(
        "section",
        node("h2", "What it asked for"),
        node(
            "table",
            node("thead", node("tr", *(node("th", h) for h in ("call", "answer", "times")))),
            node("tbody", *rows),
            class_="rows",
        ),
    )
