"""Where metrics are to be had: ``--metrics unix:PATH`` or ``tcp:HOST:PORT``."""

import re
from typing import TypeAlias

from papvmm.errors import BadUsage
from papvmm.values import Value

LARGEST_PORT = 65535


class UnixAddress(Value):
    """A UNIX socket, by its path."""

    path: str


class TcpAddress(Value):
    """A port of a host; port 0 is any that is free."""

    host: str
    port: int


MetricsAddress: TypeAlias = UnixAddress | TcpAddress


def parse_address(text: str) -> MetricsAddress:
    """Read an address; BadUsage if it is none. Without a host it is this one alone."""
    kind, _, rest = text.partition(":")
    if kind == "unix" and rest:
        return UnixAddress(rest)
    match = re.fullmatch(r"(\[[^]]+\]|[^:\[\]]*):(\d{1,5})", rest)
    if kind == "tcp" and match is not None and int(match[2]) <= LARGEST_PORT:
        return TcpAddress(match[1].strip("[]") or "127.0.0.1", int(match[2]))
    raise BadUsage(f"--metrics {text}: write unix:PATH or tcp:127.0.0.1:PORT")
