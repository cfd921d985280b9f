"""The sections of a report that demonstrations and single runs have in common."""

from collections.abc import Iterable, Sequence
from typing import Final

from papvmm.observe.exhibit import Names, Result
from papvmm.observe.heat_map import PAGE_HEIGHT
from papvmm.observe.heat_map import WIDTH as MAP_WIDTH
from papvmm.observe.hex_diff import hex_diff
from papvmm.observe.legend import timeline_legend
from papvmm.observe.markup import Node, node, style, write
from papvmm.observe.sparkline import sparkline
from papvmm.observe.timeline import ARROW, axis_of, height, timeline
from papvmm.observe.timeline import WIDTH as TIMELINE_WIDTH
from papvmm.observe.wording import counted

CONSOLE_LINES: Final = 12


def document(title: str, sections: Iterable[Node]) -> str:
    """Return the text of a file that needs nothing else, and has no scripts."""
    page = node(
        "html",
        node(
            "head",
            node("meta", charset="utf-8"),
            node("meta", name="viewport", content="width=device-width, initial-scale=1"),
            node("title", title),
            style("pictures.css", "report.css"),
        ),
        node("body", node("main", *sections)),
        lang="en",
    )
    return f"<!DOCTYPE html>\n{write(page)}\n"


def card(label: str, verdict: str, lines: Iterable[str], *, bad: bool) -> Node:
    """Return a verdict that can be seen from afar."""
    return node(
        "div",
        node("p", label, class_="scene"),
        node("p", verdict, class_="verdict"),
        *(node("p", line) for line in lines),
        class_="card bad" if bad else "card fine",
    )


def page_map(label: str, drawing: Node, pages: int) -> Node:
    """Return a figure of a heat map of so many pages."""
    return node(
        "figure",
        node("figcaption", label),
        node(
            "svg",
            drawing,
            viewBox=f"0 0 {MAP_WIDTH:g} {pages * PAGE_HEIGHT:g}",
            role="img",
            aria_label=f"page map: {label}",
        ),
    )


def timelines(results: Sequence[Result], names: Names, about: str) -> Node:
    """Return the section with the lanes of all results, on one axis."""
    axis = axis_of(results)
    figures = [
        node(
            "figure",
            node("figcaption", result.scene.label),
            node(
                "svg",
                ARROW,
                timeline(result, names, axis),
                viewBox=f"-2 0 {TIMELINE_WIDTH + 14:g} {height(result.scene.config.vcpus):g}",
                role="img",
                aria_label=f"timeline: {result.scene.label}",
            ),
            class_="wide",
        )
        for result in results
    ]
    return node(
        "section", node("h2", "When it happens"), node("p", about), timeline_legend(names), *figures
    )


def differences(result: Result, about: str) -> Node:
    """Return the section with the hex diff."""
    return node(
        "section",
        node("h2", "What exactly has changed"),
        node("p", about),
        node("div", hex_diff(result), class_="scroll"),
    )


def activity(results: Sequence[Result], heading: str) -> Node:
    """Return the section with a sparkline a vcpu and result, on one scale."""
    end = max(result.record.end for result in results)
    activities = [activity for result in results for activity in result.record.activity.values()]
    for one in activities:
        one.reach(end)
    most = max(
        (sum(pair) for a in activities for pair in zip(a.own, a.foreign, strict=True)), default=1
    )
    rows = [
        node(
            "tr",
            node("th", f"vcpu{vcpu_id}", class_="vcpu"),
            *(node("td", sparkline(result.record.activity[vcpu_id], most)) for result in results),
        )
        for vcpu_id in results[0].record.activity
    ]
    heads = node(
        "tr", node("th", class_="vcpu"), *(node("th", result.scene.label) for result in results)
    )
    return node(
        "section",
        node("h2", heading),
        node(
            "p",
            "Stores into each vcpu's areas, from power-on to power-off: every hypercall is an exit"
            " and an entry, so they are thickest where a kernel prints.",
        ),
        node("table", heads, *rows, class_="activity"),
    )


def console(result: Result, most: int = CONSOLE_LINES) -> Node:
    """Return a figure of what the guest printed, but for the middle of a long text."""
    lines = [line.text for line in result.record.console]
    if len(lines) > most:
        left, half = len(lines) - most, most // 2
        lines[half:-half] = [f"    … {counted(left, 'more line')} …"]
    return node("figure", node("figcaption", result.scene.label), node("pre", "\n".join(lines)))
