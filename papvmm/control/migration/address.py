"""Where a guest goes to or comes from: QEMU's URIs."""

from typing import TypeAlias

from papvmm.control.tcp import parse_place
from papvmm.errors import BadUsage
from papvmm.values import Value


class Unix(Value):
    """A UNIX socket."""

    path: str


class Tcp(Value):
    """A TCP port."""

    host: str
    port: int


class InFile(Value):
    """A file, which is read in again later."""

    path: str


class Command(Value):
    """A shell's command: its input takes a guest, or its output brings one."""

    command: str


class Descriptor(Value):
    """A file descriptor of this process, which is closed in the end."""

    number: int


Address: TypeAlias = Unix | Tcp | InFile | Command | Descriptor


def parse_uri(text: str) -> Address:
    """Read a URI; BadUsage tells which there are."""
    kind, _, rest = text.partition(":")
    match kind:
        case "unix" if rest:
            return Unix(rest)
        case "tcp":
            return _tcp(text, rest)
        case "file" if rest:
            return InFile(rest)
        case "exec" if rest:
            return Command(rest)
        case "fd" if rest.isdecimal():
            return Descriptor(int(rest))
        case _:
            raise BadUsage(
                f"{text!r}: write unix:PATH, tcp:HOST:PORT, file:PATH, exec:COMMAND or fd:NUMBER"
            )


def _tcp(text: str, rest: str) -> Tcp:
    place = parse_place(rest)
    if place is None:
        raise BadUsage(f"{text!r}: write tcp:HOST:PORT, as in tcp:127.0.0.1:4444")
    return Tcp(place.host, place.port)
