"""An exhibit as text, 80 columns wide: what ``papvmm demo`` prints."""

from collections.abc import Callable, Iterator
from enum import Enum
from shlex import quote, split
from textwrap import shorten, wrap
from typing import Final, TypeAlias

from papvmm.memory.guest_memory import PAGE
from papvmm.observe.corruption import by_field
from papvmm.observe.exhibit import Exhibit, Result, outcome_text
from papvmm.observe.page_map import Cell, Mark, cells_of, mark_of, pages_shown
from papvmm.observe.record import RunRecord
from papvmm.observe.wording import AREA_TEXT, counted, handover_text, setting, shortened
from papvmm.trace.events import Registration

WIDTH: Final = 80
LEFT: Final = 13
COLUMN: Final = 34
CELLS: Final = 16
"""Cells a page of 4 KiB is drawn with."""

_KEYS: Final = {
    Mark.FOREIGN: "█ the next kernel's bytes are gone",
    Mark.OVERWRITTEN: "░ it has stored there since",
    Mark.OWN: "▒ areas in use",
}


class Ink(Enum):
    """What a piece of text is, for those who see colours; the value is an ANSI attribute."""

    BAD = "1;31"
    GOOD = "1;32"
    OWN = "34"
    STRONG = "1"
    FAINT = "2"


Paint: TypeAlias = Callable[[str, Ink], str]


def plain(text: str, ink: Ink) -> str:  # noqa: ARG001 - the twin of ``coloured``
    """Leave a piece of text as it is."""
    return text


def coloured(text: str, ink: Ink) -> str:
    """Wrap a piece of text in terminal colours."""
    return f"\x1b[{ink.value}m{text}\x1b[0m"


_CELL: Final = {
    Mark.NONE: ("·", Ink.FAINT),
    Mark.OWN: ("▒", Ink.OWN),
    Mark.OVERWRITTEN: ("░", Ink.FAINT),
    Mark.FOREIGN: ("█", Ink.BAD),
}


def symbol_of(cell: Cell, paint: Paint = plain) -> str:
    """Return the character that shows a cell of a page."""
    return paint(*_CELL[cell.mark])


def draw(exhibit: Exhibit, report: str, command: str, paint: Paint) -> str:
    """Return the whole text, lines of at most ``WIDTH`` columns.

    It ends with where the ``report`` is and the ``command`` that runs the harmed scene by hand.
    """
    sections = (
        _title(exhibit, paint),
        _story(exhibit, paint),
        _columns(exhibit, paint),
        hits(exhibit.harmed, paint),
        _explanation(exhibit, paint),
        (labelled("look at", report), *_command(command)),
    )
    return "\n".join("\n".join(lines) + "\n" for lines in map(list, sections) if lines)


def at(icount: int) -> str:
    """Write a position in a run."""
    return f"@{icount:,}"


def _title(exhibit: Exhibit, paint: Paint) -> Iterator[str]:
    demonstration, config = exhibit.demonstration, exhibit.harmed.scene.config
    left = f"papvmm demo {demonstration.name}: {demonstration.title}"
    right = setting(config)
    yield paint(left, Ink.STRONG) + right.rjust(WIDTH - len(left))
    yield ""
    yield from (f"  {line}" for line in wrap(demonstration.story, WIDTH - 4))


def _story(exhibit: Exhibit, paint: Paint) -> Iterator[str]:
    record = exhibit.harmed.record
    handover = record.handover
    if handover is None:
        return
    yield labelled(
        exhibit.demonstration.names.before,
        "registers its areas with the hypervisor (H_REGISTER_VPA):",
    )
    for line in registered(record):
        yield labelled("", line)
    what, when = f"── {handover_text(handover)} ", f" {at(handover.icount)} ──"
    yield "  " + paint(what + when.rjust(WIDTH - 4 - len(what), "─"), Ink.STRONG)
    after = (line.text for line in record.console if line.icount >= handover.icount)
    actor, _, said = next(after, "").partition(": ")
    yield labelled(actor, said)


def registered(record: RunRecord) -> Iterator[str]:
    """Say what each vcpu had registered before the handover, one line each."""
    by_vcpu: dict[int, dict[str, Registration]] = {}
    for registration in record.earlier_areas:
        by_vcpu.setdefault(registration.vcpu_id, {})[registration.area] = registration
    for vcpu_id, areas in sorted(by_vcpu.items()):
        where = "  ".join(
            f"{text} {areas[area].gpa:#x}" for area, text in AREA_TEXT.items() if area in areas
        )
        last = max(registration.icount for registration in areas.values())
        yield f"vcpu{vcpu_id}  {where}  {at(last)}"


def _columns(exhibit: Exhibit, paint: Paint) -> Iterator[str]:
    """Draw the runs side by side: the left column is padded, the right one needs no spaces."""
    columns = ((exhibit.harmed, COLUMN), (exhibit.cured, 0))
    labels = (paint(f"{result.scene.label:<{width}}", Ink.STRONG) for result, width in columns)
    yield labelled("", "".join(labels))
    if exhibit.harmed.record.handover:
        for page in pages_shown(exhibit.harmed.record, exhibit.cured.record):
            strips = (_strip(result, page, width, paint) for result, width in columns)
            yield labelled(f"{page:#x}", "".join(strips))
        seen = {mark_of(spot) for result, _ in columns for spot in result.record.spots}
        key = "   ".join(text for mark, text in _KEYS.items() if mark in seen)
        yield labelled("", paint(key, Ink.FAINT))
    said = (f"{_told(result):<{width}}" for result, width in columns)
    yield labelled("guest says", "".join(said))
    verdicts = (_verdict(result, width, paint) for result, width in columns)
    yield labelled("verdict", "".join(verdicts))


def _strip(result: Result, page: int, width: int, paint: Paint) -> str:
    cells = cells_of(result.record.spots, page, PAGE // CELLS, result.looked)
    strip = "".join(symbol_of(cell, paint) for cell in cells)
    words = sum(page <= gpa < page + PAGE for gpa in result.corruption.gpas)
    text = f"{counted(words, 'word'):>10} hit" if words else ""
    if not words and result.resumption is None:
        text = "     clean"
    padded = f"{text:<{max(width - CELLS, 0)}}"
    return strip + (paint(padded, Ink.BAD) if words else padded)


def _told(result: Result) -> str:
    testimony, console = result.corruption.testimony, result.record.console
    if testimony is not None:
        return f"{testimony.words} words changed" if testimony.words else "memory intact"
    said = console[-1].text.partition(": ")[2] if console else ""
    return shorten(said, COLUMN - 1, placeholder=" …")


def _verdict(result: Result, width: int, paint: Paint) -> str:
    first = result.corruption.first
    if result.doubt:
        text, ink = "? see below", Ink.BAD
    elif result.crashed:
        text, ink = f"✗ HOST CRASHED {at(result.record.end)}", Ink.BAD
    elif result.resumption is not None:
        text, ink = ("✗ AREAS LOST", Ink.BAD) if result.lost else ("✓ AREAS CARRIED", Ink.GOOD)
    elif first is not None:
        text, ink = f"✗ CORRUPTED from {at(first.first.icount)}", Ink.BAD
    elif result.record.handover is not None:
        text, ink = f"✓ INTACT up to power-off {at(result.record.end)}", Ink.GOOD
    else:
        text, ink = f"✓ UNHARMED, power-off {at(result.record.end)}", Ink.GOOD
    return paint(f"{text:<{width}}", ink)


def hits(result: Result, paint: Paint) -> Iterator[str]:
    """Tell which fields hit the next kernel's memory, one line each."""
    groups = by_field(result.corruption.hits)
    if not groups:
        return
    wide = max(12, 1 + max(len(at(group.last)) for group in groups))
    name = min(28, 56 - 2 * wide)
    head = (
        f"  {'gpa':<10}{'field':<{name}}{'vcpu':>4}{'stores':>8}{'first':>{wide}}{'last':>{wide}}"
    )
    yield paint(head, Ink.FAINT)
    for group in groups:
        yield (
            f"  {group.gpa:<#10x}{group.name:<{name}}{group.write.vcpu_id:>4}{group.stores:>8}"
            f"{at(group.first):>{wide}}{at(group.last):>{wide}}"
        )
    if result.corruption.late:
        count = len(result.corruption.late)
        yield f"  … and {count} more places after the kernel had looked for the last time"


def _explanation(exhibit: Exhibit, paint: Paint) -> Iterator[str]:
    for result in (exhibit.harmed, exhibit.cured):
        for refusal in result.refusals:
            yield from labelled_paragraph(result.scene.name, refusal)
        if result.crashed or result.doubt:
            reason = result.doubt or outcome_text(result.outcome)
            yield from labelled_paragraph(
                result.scene.name, reason, lambda line: paint(line, Ink.BAD)
            )
    yield from _first_bad_write(exhibit.harmed, exhibit.demonstration.names.before)
    yield from labelled_paragraph("cure", exhibit.demonstration.cure)


def _first_bad_write(result: Result, before: str) -> Iterator[str]:
    hit, handover = result.corruption.first, result.record.handover
    if hit is None or handover is None:
        return
    write = hit.first
    registration = write.registration
    refused = "its unregistration was refused" if result.refusals else "nobody has unregistered it"
    area = "" if registration is None else AREA_TEXT[registration.area]
    yield from labelled_paragraph(
        "first bad",
        f"{write.field} of vcpu{write.vcpu_id} at {write.gpa:#x}, {shortened(write.old)} →"
        f" {shortened(write.new)}, {at(write.icount)}: {write.icount - handover.icount:,}"
        f" instructions after the handover",
    )
    if registration is not None:
        yield from labelled_paragraph(
            "why",
            f"vcpu{registration.vcpu_id} registered that {area} for {before}"
            f" ({result.origin(registration)}), and {refused}",
        )


def _command(command: str) -> Iterator[str]:
    """Break a command into lines as a shell allows."""
    line, label = "", "run it"
    for word in map(quote, split(command)):
        if line and LEFT + len(line) + len(word) + 3 > WIDTH:
            yield labelled(label, f"{line} \\")
            line, label = "", ""
        line = f"{line} {word}" if line else word
    yield labelled(label, line)


def labelled(label: str, text: str) -> str:
    """Write a line with a label before it."""
    return f"  {label:<{LEFT - 2}}{text}"


def labelled_paragraph(label: str, text: str, paint: Callable[[str], str] = str) -> Iterator[str]:
    """Write a text that may be longer than a line."""
    for line in wrap(text, WIDTH - LEFT):
        yield labelled(label, paint(line))
        label = ""
