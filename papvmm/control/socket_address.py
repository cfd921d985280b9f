"""Where monitors listen: ``-qmp`` and ``-monitor unix:PATH[,server=on][,wait=on|off]``."""

from dataclasses import dataclass
from typing import Final

from papvmm.errors import BadUsage

_SHORT: Final = {"server": ("server", "on"), "wait": ("wait", "on"), "nowait": ("wait", "off")}


@dataclass(frozen=True, slots=True)
class SocketAddress:
    """A UNIX socket's path, and whether the guest starts only when a client has connected."""

    path: str
    wait: bool


def parse_address(option: str, text: str) -> SocketAddress:
    """Read QEMU's spelling of a socket that an option names; BadUsage says what is wrong.

    papvmm is always the server. As with QEMU, ``server=on`` waits for the first client unless
    ``wait=off`` says otherwise; ``unix:PATH`` alone, which makes a client of QEMU, does not.
    """
    kind, _, rest = text.partition(":")
    path, *options = rest.split(",")
    if kind != "unix" or not path:
        raise BadUsage(f"{option} {text}: write unix:PATH,server=on,wait=off")
    given: dict[str, bool] = {}
    for item in options:
        name, _, value = item.partition("=")
        name, value = _SHORT.get(item, (name, value))
        if name not in ("server", "wait") or value not in ("on", "off"):
            raise BadUsage(f"{option} {text}: {item!r} is neither server=on nor wait=on|off")
        given[name] = value == "on"
    if not given.get("server", True):
        raise BadUsage(f"{option} {text}: papvmm is the server; write server=on")
    return SocketAddress(path, given.get("wait", "server" in given))
