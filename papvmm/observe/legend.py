"""What the marks in the pictures mean."""

from papvmm.observe.markup import Node, node


def map_legend() -> Node:
    """Explain the page map's cells."""
    return _legend(
        (
            _cell("foreign"),
            "stored by the hypervisor into an area of kernel A: kernel B's bytes are gone",
        ),
        (_cell("overwritten"), "the same, but kernel B has stored there since"),
        (_cell("own"), "stored into an area of kernel B"),
        (_cell("cell"), "untouched"),
        (_outline(), "area that kernel A registered"),
    )


def timeline_legend() -> Node:
    """Explain the timeline's marks."""
    return _legend(
        (_block("old-kernel"), "kernel A runs"),
        (_block("new-kernel"), "kernel B runs"),
        (
            _mark(node("line", x1=0, x2=16, y1=8, y2=8, class_="waiting")),
            "waits (H_CEDE, or for its turn)",
        ),
        (_mark(node("path", d="M4 15v-14l9 4l-9 4", class_="flag")), "area registered"),
        (_mark(node("circle", cx=8, cy=8, r=5, class_="unregistered")), "area unregistered"),
        (_mark(node("circle", cx=8, cy=8, r=2.2, class_="own")), "store into a registered area"),
        (
            _mark(node("path", d="M4 4l8 8m0 -8l-8 8", class_="foreign-tick")),
            "store into the next kernel's memory",
        ),
    )


def _legend(*entries: tuple[Node, str]) -> Node:
    return node("p", *(node("span", mark, f" {text}") for mark, text in entries), class_="legend")


def _mark(drawing: Node) -> Node:
    return node("svg", drawing, width=16, height=16, viewBox="0 0 16 16")


def _cell(name: str) -> Node:
    return _mark(node("rect", x=3, y=2, width=10, height=12, class_=name))


def _block(name: str) -> Node:
    return _mark(node("rect", x=1, y=3, width=14, height=10, rx=2, class_=name))


def _outline() -> Node:
    return _mark(node("rect", x=1, y=3, width=14, height=10, class_="outline"))
