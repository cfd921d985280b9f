"""The report: one HTML file without scripts that shows an exhibit, and needs nothing else."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath
from typing import Final

from papvmm.observe.exhibit import Demonstration, Exhibit, Result, outcome_text
from papvmm.observe.heat_map import PAGE_HEIGHT, heat_map
from papvmm.observe.heat_map import WIDTH as MAP_WIDTH
from papvmm.observe.hex_diff import hex_diff
from papvmm.observe.legend import map_legend, timeline_legend
from papvmm.observe.markup import Node, node, style, write
from papvmm.observe.page_map import pages_shown
from papvmm.observe.record import Handover
from papvmm.observe.sparkline import sparkline
from papvmm.observe.story import chain
from papvmm.observe.timeline import ARROW, Axis, axis_of, height, timeline
from papvmm.observe.timeline import WIDTH as TIMELINE_WIDTH
from papvmm.observe.verdict import headline, is_bad
from papvmm.observe.wording import counted, setting

CONSOLE_LINES: Final = 12


def report(exhibit: Exhibit, commands: Iterable[str]) -> str:
    """Return the file's text; ``commands`` are for people who want to try it themselves."""
    demonstration = exhibit.demonstration
    title = f"papvmm demo {demonstration.name}: {demonstration.title}"
    sections = (
        _masthead(exhibit),
        _verdicts(exhibit),
        *_pictures(exhibit),
        _why(exhibit),
        _consoles(exhibit),
        _commands(commands),
    )
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


def _masthead(exhibit: Exhibit) -> Node:
    demonstration, config = exhibit.demonstration, exhibit.harmed.scene.config
    kernels = " then ".join(
        PurePath(file.name).name for file in (config.kernel, *config.next_kernels) if file
    )
    levels = dict.fromkeys(r.scene.config.hv for r in (exhibit.harmed, exhibit.cured))
    return node(
        "header",
        node("p", f"papvmm demo {demonstration.name}", class_="kicker"),
        node("h1", demonstration.title),
        node("p", demonstration.story, class_="lead"),
        node("p", f"{setting(config)} · {kernels} on {' and '.join(levels)}", class_="facts"),
    )


def _verdicts(exhibit: Exhibit) -> Node:
    return node("section", *map(_card, (exhibit.harmed, exhibit.cured)), class_="pair")


def _card(result: Result) -> Node:
    told, first = result.corruption.testimony, result.corruption.first
    lines = []
    if told is not None:
        said = f"{counted(told.words, 'word')} changed" if told.words else "memory intact"
        lines.append(f"Kernel B, which knows what it stored, says: {said}.")
    elif result.record.console:
        lines.append(f"The guest's last words: {result.record.console[-1].text}.")
    if first is not None:
        lines.append(f"First bad store @{first.first.icount:,}: {first.first.field}.")
    lines.append(result.doubt or f"In the end: {outcome_text(result.outcome)}.")
    return node(
        "div",
        node("p", result.scene.label, class_="scene"),
        node("p", headline(result), class_="verdict"),
        *(node("p", line) for line in (*lines, *result.refusals)),
        class_="card bad" if is_bad(result) else "card fine",
    )


def _pictures(exhibit: Exhibit) -> Iterator[Node]:
    harmed = exhibit.harmed
    handover = harmed.record.handover
    if handover is None:
        return
    yield _maps(exhibit)
    yield _timelines(exhibit, handover)
    if harmed.corruption.hits:
        yield node(
            "section",
            node("h2", "What exactly has changed"),
            node(
                "p",
                f"Bytes of kernel B, as it left them and as they are ({harmed.scene.label}), with"
                " the hypervisor's reason to store there.",
            ),
            node("div", hex_diff(harmed), class_="scroll"),
        )
    yield _activity(exhibit)


def _maps(exhibit: Exhibit) -> Node:
    results = (exhibit.harmed, exhibit.cured)
    pages = pages_shown(*(result.record for result in results))
    before, after = exhibit.demonstration.before, exhibit.demonstration.after
    figures = [
        node(
            "figure",
            node("figcaption", result.scene.label),
            node(
                "svg",
                heat_map(result.record, pages, result.looked),
                viewBox=f"0 0 {MAP_WIDTH:g} {len(pages) * PAGE_HEIGHT:g}",
                role="img",
                aria_label=f"page map: {result.scene.label}",
            ),
        )
        for result in results
    ]
    return node(
        "section",
        node("h2", "Whose bytes are these?"),
        node(
            "p",
            f"The pages in which {before} had its areas, 16 bytes a cell: where the hypervisor has"
            f" stored since, as {after} last saw it.",
        ),
        map_legend(exhibit),
        node("div", *figures, class_="pair"),
    )


def _timelines(exhibit: Exhibit, handover: Handover) -> Node:
    results = (exhibit.harmed, exhibit.cured)
    axis = axis_of(exhibit, handover)
    return node(
        "section",
        node("h2", "When it happens"),
        node("p", "Time is counted in instructions of all vcpus. Its scale changes in the middle."),
        timeline_legend(exhibit.demonstration),
        *(_lanes(result, exhibit.demonstration, axis) for result in results),
    )


def _lanes(result: Result, demonstration: Demonstration, axis: Axis) -> Node:
    vcpus = result.scene.config.vcpus
    return node(
        "figure",
        node("figcaption", result.scene.label),
        node(
            "svg",
            ARROW,
            timeline(result, demonstration, axis),
            viewBox=f"-2 0 {TIMELINE_WIDTH + 14:g} {height(vcpus):g}",
            role="img",
            aria_label=f"timeline: {result.scene.label}",
        ),
        class_="wide",
    )


def _activity(exhibit: Exhibit) -> Node:
    results = (exhibit.harmed, exhibit.cured)
    ends = [result.record.end for result in results]
    activities = [activity for result in results for activity in result.record.activity.values()]
    for activity in activities:
        activity.reach(max(ends))
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
        node("h2", "It does not stop by itself" if results[0].corruption.hits else "How often"),
        node(
            "p",
            "Stores into each vcpu's areas, from power-on to power-off: every hypercall is an exit"
            " and an entry, so they are thickest where a kernel prints.",
        ),
        node("table", heads, *rows, class_="activity"),
    )


def _why(exhibit: Exhibit) -> Node:
    steps = [
        node("li", node("span", f"@{step.icount:,}", class_="when"), " ", step.text)
        for step in chain(exhibit.harmed, exhibit.demonstration.before)
    ]
    return node(
        "section",
        node("h2", "Why, and what helps"),
        node("ol", *steps, class_="chain"),
        node("p", node("b", "The cure: "), exhibit.demonstration.cure, class_="cure"),
    )


def _consoles(exhibit: Exhibit) -> Node:
    figures = []
    for result in (exhibit.harmed, exhibit.cured):
        lines = [line.text for line in result.record.console]
        if len(lines) > CONSOLE_LINES:
            left = len(lines) - CONSOLE_LINES
            half = CONSOLE_LINES // 2
            lines[half:-half] = [f"    … {counted(left, 'more line')} …"]
        figures.append(
            node(
                "figure",
                node("figcaption", result.scene.label),
                node("pre", "\n".join(lines)),
            )
        )
    return node("section", node("h2", "What the guests said"), node("div", *figures, class_="pair"))


def _commands(commands: Iterable[str]) -> Node:
    return node(
        "section",
        node("h2", "Try it yourself"),
        *(node("pre", command, class_="command") for command in commands),
    )
