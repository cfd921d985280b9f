"""A tiny tree for HTML and SVG: text is escaped where it is written, tags always match."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from typing import Final, TypeAlias

_VOID: Final = frozenset(("br", "col", "hr", "meta"))
"""HTML elements without an end tag."""

Value: TypeAlias = str | int | float


@dataclass(frozen=True, slots=True)
class Node:
    """An element."""

    tag: str
    attributes: dict[str, Value]
    children: "tuple[Node | str, ...]"


def node(tag: str, *children: Node | str, **attributes: Value) -> Node:
    """Make an element; ``class_`` is class, and ``stroke_width`` is stroke-width."""
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    return Node(tag, named, children)


def style(*names: str) -> Node:
    """Return a style element with these style sheets, which come with this package."""
    sheets = (files("papvmm.observe").joinpath(name).read_text("utf-8") for name in names)
    return node("style", "".join(sheets))


def write(root: Node) -> str:
    """Return the text of a tree: XML, and HTML at the same time."""
    return "".join(_pieces(root))


def number(value: float) -> str:
    """Write a coordinate: two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _pieces(element: Node | str) -> Iterator[str]:
    if isinstance(element, str):
        yield escape(element, quote=False)
        return
    yield f"<{element.tag}"
    for name, value in element.attributes.items():
        text = number(value) if isinstance(value, float) else str(value)
        yield f' {name}="{escape(text)}"'
    if element.tag in _VOID:
        yield " />"
        return
    yield ">"
    for child in element.children:
        yield from _pieces(child)
    yield f"</{element.tag}>"
