"""The hex diff: what kernel B put into its memory, what stands there now, and whose doing it is."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from papvmm.memory.guest_memory import PAGE
from papvmm.observe.corruption import Corruption, FieldHits, by_field
from papvmm.observe.exhibit import Result
from papvmm.observe.markup import Node, node
from papvmm.observe.record import RunRecord, Spot
from papvmm.observe.wording import AREA_TEXT, entry_text
from papvmm.vpa.dtl import DTL_ENTRY
from papvmm.vpa.layout import Area

LINE: Final = 16
MOST_FIELDS: Final = 32
ENTRIES_SHOWN: Final = 2
"""Log entries of each vcpu that are shown byte by byte."""


@dataclass(frozen=True, slots=True)
class Memory:
    """The pages of a run: ``now``, and ``was``, as the kernel left them; ``hit`` gpas differ."""

    was: Mapping[int, bytes]
    now: Mapping[int, bytes]
    hit: frozenset[int]

    def line(self, gpa: int) -> Iterator[tuple[int, int, bool]]:
        """Yield the bytes of a line: as it was, as it is now, and whether it was hit."""
        for byte in range(gpa, gpa + LINE):
            page, offset = byte - byte % PAGE, byte % PAGE
            yield self.was[page][offset], self.now[page][offset], byte in self.hit


def memory_of(record: RunRecord, corruption: Corruption) -> Memory:
    """Take the hits back, to see what the memory was like without them."""
    was = {page: bytearray(data) for page, data in record.pages.items()}
    hit = set()
    for spot in (*corruption.hits, *corruption.late):
        for gpa, old, now in zip(_gpas(spot), spot.first.old, spot.now, strict=True):
            was[gpa - gpa % PAGE][gpa % PAGE] = old
            if old != now:
                hit.add(gpa)
    return Memory({page: bytes(data) for page, data in was.items()}, record.pages, frozenset(hit))


def hex_diff(result: Result) -> Node:
    """Return the table: a line of 16 bytes a row, was above now, and its provenance."""
    memory = memory_of(result.record, result.corruption)
    heads = ("gpa", "", "bytes", "stored as", "vcpu", "stores", "first, last", "registered")
    groups = by_field(result.corruption.hits)
    rows = [row for group in groups[:MOST_FIELDS] for row in _rows(memory, group, result)]
    if len(groups) > MOST_FIELDS:
        words = f"and {len(groups) - MOST_FIELDS} more fields"
        rows.append(node("tr", node("td", words, colspan=len(heads), class_="more")))
    return node(
        "table",
        node("thead", node("tr", *(node("th", head) for head in heads))),
        node("tbody", *rows),
        class_="hex",
    )


def _rows(memory: Memory, group: FieldHits, result: Result) -> Iterator[Node]:
    registration = group.write.registration
    callers = "" if registration is None else result.callers.get(registration.number, "")
    if group.write.area != Area.DTL.name:
        yield _row(memory, group.gpa - group.gpa % LINE, _provenance(group, callers))
        return
    for spot in group.spots[:ENTRIES_SHOWN]:
        entry = FieldHits(spot.first.field, (spot,))
        gutter = _provenance(
            entry, callers, entry_text(spot.now, result.describe), DTL_ENTRY.size // LINE
        )
        for gpa in range(spot.first.gpa, spot.first.gpa + DTL_ENTRY.size, LINE):
            yield _row(memory, gpa, gutter)
            gutter = ()
    left = group.spots[ENTRIES_SHOWN:]
    if left:
        rest = FieldHits(f"{left[0].first.field} … {left[-1].first.field}", left)
        words = f"and {len(left)} more entries like these, up to {left[-1].first.gpa:#x}"
        yield node(
            "tr",
            node("td", f"{rest.gpa:#x}", class_="gpa"),
            node("td", words, colspan=2, class_="more"),
            *_provenance(rest, callers),
            class_="first",
        )


def _row(memory: Memory, gpa: int, gutter: tuple[Node, ...]) -> Node:
    line = tuple(memory.line(gpa))
    return node(
        "tr",
        node("td", f"{gpa:#x}", class_="gpa"),
        node("td", node("i", "was"), node("br"), node("b", "now"), class_="which"),
        node("td", *_bytes(line, 0, "old"), node("br"), *_bytes(line, 1, "new"), class_="bytes"),
        *gutter,
        class_="first" if gutter else "more",
    )


def _bytes(line: tuple[tuple[int, int, bool], ...], which: int, name: str) -> Iterator[Node | str]:
    """Yield the bytes in two groups of eight; those that were hit stand out."""
    for index, byte in enumerate(line):
        text = f"{byte[which]:02x}"
        yield node("span", text, class_=f"hit {name}") if byte[2] else text
        if index < LINE - 1:
            yield "  " if index == LINE // 2 - 1 else " "


def _provenance(
    hits: FieldHits, callers: str, detail: str = "", lines: int = 1
) -> tuple[Node, ...]:
    registration = hits.write.registration
    registered: tuple[Node | str, ...] = ()
    if registration is not None:
        area = f"{AREA_TEXT[registration.area]} at {registration.gpa:#x}"
        when = f"@{registration.icount:,}"
        caller = [node("small", callers)] if callers else []
        registered = (area, node("br"), registration.door, node("br"), when, *caller)
    details = (node("br"), node("small", detail)) if detail else ()
    stored = (f"@{hits.first:,}", node("br"), f"@{hits.last:,}")
    return (
        node("td", node("b", hits.name), *details, rowspan=lines, class_="field"),
        node("td", str(hits.write.vcpu_id), rowspan=lines, class_="number"),
        node("td", f"{hits.stores:,}", rowspan=lines, class_="number"),
        node("td", *stored, rowspan=lines, class_="number"),
        node("td", *registered, rowspan=lines, class_="registered"),
    )


def _gpas(spot: Spot) -> range:
    return range(spot.first.gpa, spot.first.gpa + len(spot.now))
