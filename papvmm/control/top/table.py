"""Tables of styled text, for a terminal or none."""

from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias


class Style(Enum):
    """How text looks where there are colours; the values are those of a terminal's library."""

    PLAIN = ""
    DIM = "dim"
    BOLD = "bold"
    HEADING = "bold reverse"
    RUN = "green"
    WAITING = "yellow"
    ALARM = "bold red"


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    style: Style = Style.PLAIN


Line: TypeAlias = tuple[Span, ...]
GAP: Final = 1


class Column(NamedTuple):
    """A column: its title, its width, and on which side its cells end; width 0 is the rest."""

    title: str
    width: int
    right: bool = False


def plain(lines: Iterable[Line]) -> str:
    """Return lines as text without styles, without blanks at their ends."""
    return "\n".join("".join(span.text for span in line).rstrip() for line in lines)


def table(columns: Sequence[Column], rows: Iterable[Sequence[Span]], width: int) -> list[Line]:
    """Return a table of this width, its titles first; text that is too long ends in ``…``."""
    fixed = sum(column.width + GAP for column in columns)
    rest = max(width - fixed - GAP, 1)
    widths = [column.width or rest for column in columns]
    titles = [Span(column.title, Style.HEADING) for column in columns]
    return [
        tuple(piece for cell in zip(columns, widths, row, strict=True) for piece in _padded(*cell))
        for row in (titles, *rows)
    ]


def _padded(column: Column, width: int, cell: Span) -> Line:
    text = cell.text if len(cell.text) <= width else cell.text[: width - 1] + "…"
    filled = text.rjust(width) if column.right else text.ljust(width)
    return Span(filled, cell.style), Span(" " * GAP, Style.PLAIN)
