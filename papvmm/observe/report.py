"""The report: one HTML file without scripts that shows an exhibit, and needs nothing else."""

from collections.abc import Iterable, Iterator
from pathlib import PurePath

from papvmm.observe.exhibit import Exhibit, Result, outcome_text
from papvmm.observe.heat_map import heat_map
from papvmm.observe.legend import map_legend
from papvmm.observe.markup import Node, node
from papvmm.observe.page_map import pages_shown
from papvmm.observe.sections import (
    activity,
    card,
    console,
    differences,
    document,
    page_map,
    timelines,
)
from papvmm.observe.story import chain
from papvmm.observe.verdict import headline, is_bad
from papvmm.observe.wording import counted, setting


def report(exhibit: Exhibit, commands: Iterable[str]) -> str:
    """Return the file's text; ``commands`` are for people who want to try it themselves."""
    demonstration = exhibit.demonstration
    sections = (
        _masthead(exhibit),
        _verdicts(exhibit),
        *_pictures(exhibit),
        _why(exhibit),
        _consoles(exhibit),
        _commands(commands),
    )
    return document(f"papvmm demo {demonstration.name}: {demonstration.title}", sections)


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
    told_of = (*lines, *result.refusals)
    return card(result.scene.label, headline(result), told_of, bad=is_bad(result))


def _pictures(exhibit: Exhibit) -> Iterator[Node]:
    harmed, names = exhibit.harmed, exhibit.demonstration.names
    if harmed.record.handover is None:
        return
    results = (harmed, exhibit.cured)
    yield _maps(exhibit)
    yield timelines(
        results,
        names,
        "Time is counted in instructions of all vcpus. Its scale changes in the middle.",
    )
    if harmed.corruption.hits:
        yield differences(
            harmed,
            f"Bytes of {names.after}, as it left them and as they are ({harmed.scene.label}), with"
            " the hypervisor's reason to store there.",
        )
    yield activity(results, "It does not stop by itself" if harmed.corruption.hits else "How often")


def _maps(exhibit: Exhibit) -> Node:
    results, names = (exhibit.harmed, exhibit.cured), exhibit.demonstration.names
    pages = pages_shown(*(result.record for result in results))
    figures = (
        page_map(result.scene.label, heat_map(result.record, pages, result.looked), len(pages))
        for result in results
    )
    return node(
        "section",
        node("h2", "Whose bytes are these?"),
        node(
            "p",
            f"The pages in which {names.before} had its areas, 16 bytes a cell: where the"
            f" hypervisor has stored since, as {names.after} last saw it.",
        ),
        map_legend((result.record for result in results), names),
        node("div", *figures, class_="pair"),
    )


def _why(exhibit: Exhibit) -> Node:
    steps = [
        node("li", node("span", f"@{step.icount:,}", class_="when"), " ", step.text)
        for step in chain(exhibit.harmed, exhibit.demonstration.names)
    ]
    return node(
        "section",
        node("h2", "Why, and what helps"),
        node("ol", *steps, class_="chain"),
        node("p", node("b", "The cure: "), exhibit.demonstration.cure, class_="cure"),
    )


def _consoles(exhibit: Exhibit) -> Node:
    figures = map(console, (exhibit.harmed, exhibit.cured))
    return node("section", node("h2", "What the guests said"), node("div", *figures, class_="pair"))


def _commands(commands: Iterable[str]) -> Node:
    return node(
        "section",
        node("h2", "Try it yourself"),
        *(node("pre", command, class_="command") for command in commands),
    )
