"""TCP ports: how people write them, and listening at one."""

import re
import socket
from typing import Final, NamedTuple

from papvmm.errors import BadInput

LOCALHOST: Final = "127.0.0.1"
"""Who is meant where no host is named: whoever can connect is trusted, so nobody else."""
LARGEST_PORT: Final = 0xFFFF

_PLACE: Final = re.compile(r"(?:\[([^\]]+)\]|([^:\[\]]*)):(\d{1,5})", re.ASCII)


class Place(NamedTuple):
    """A port of a host; 0 is any that is free."""

    host: str
    port: int


def parse_place(text: str) -> Place | None:
    """Read ``HOST:PORT``, ``:PORT`` or ``[IPV6]:PORT``; None if it is none of them."""
    match = _PLACE.fullmatch(text)
    if match is None or int(match[3]) > LARGEST_PORT:
        return None
    return Place(match[1] or match[2] or LOCALHOST, int(match[3]))


def listen(host: str, port: int, backlog: int) -> socket.socket:
    """Return a socket that listens there, and never waits; BadInput if it can't be."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((host, port), family=family, backlog=backlog)
    except UnicodeError:
        raise BadInput(f"tcp:{host}:{port}: that is no name of a host") from None
    except OSError as error:
        raise BadInput(f"tcp:{host}:{port}: {error.strerror or error}") from None
    listening.settimeout(0)
    return listening
