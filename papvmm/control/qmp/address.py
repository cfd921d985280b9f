"""Where the control socket is: ``-qmp unix:PATH[,server=on][,wait=on|off]``."""

from dataclasses import dataclass
from typing import Final

from papvmm.errors import BadUsage

_SWITCH: Final = {"on": True, "off": False, "": True}
_SHORT: Final = {"server": ("server", "on"), "wait": ("wait", "on"), "nowait": ("wait", "off")}


@dataclass(frozen=True, slots=True)
class QmpAddress:
    """A UNIX socket's path, and whether the guest starts only when a client has connected."""

    path: str
    wait: bool


def parse_address(text: str) -> QmpAddress:
    """Read QEMU's spelling of a control socket; BadUsage says what is wrong.

    papvmm is always the server. As with QEMU, ``server=on`` waits for the first client unless
    ``wait=off`` says otherwise; ``unix:PATH`` alone, which makes a client of QEMU, does not.
    """
    kind, _, rest = text.partition(":")
    path, *options = rest.split(",")
    if kind != "unix" or not path:
        raise BadUsage(f"-qmp {text}: write unix:PATH,server=on,wait=off")
    given: dict[str, bool] = {}
    for option in options:
        name, _, value = option.partition("=")
        name, value = _SHORT.get(option, (name, value))
        if name not in ("server", "wait") or value not in ("on", "off"):
            raise BadUsage(f"-qmp {text}: {option!r} is neither server=on nor wait=on nor wait=off")
        given[name] = value == "on"
    if not given.get("server", True):
        raise BadUsage(f"-qmp {text}: papvmm is the server; write server=on")
    return QmpAddress(path, given.get("wait", "server" in given))
