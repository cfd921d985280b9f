"""Where metrics are to be had: ``--metrics unix:PATH`` or ``tcp:HOST:PORT``."""

from typing import TypeAlias

from papvmm.control.tcp import Place, parse_place
from papvmm.errors import BadUsage
from papvmm.values import Value


class UnixAddress(Value):
    """A UNIX socket, by its path."""

    path: str


MetricsAddress: TypeAlias = UnixAddress | Place


def parse_address(text: str) -> MetricsAddress:
    """Read an address; BadUsage if it is none. Without a host it is this one alone."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return UnixAddress(rest)
    place = parse_place(rest) if kind == "tcp" else None
    if place is not None:
        return place
    raise BadUsage(f"--metrics {text}: write unix:PATH or tcp:127.0.0.1:PORT")
