"""Where a debugger connects: ``-gdb unix:PATH`` or ``-gdb tcp:[HOST]:PORT``."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.tcp import LOCALHOST, parse_place
from papvmm.errors import BadUsage

DEFAULT_PORT: Final = 1234
"""That of ``-s``."""
_ACCEPTED: Final = ("server", "server=on", "wait=off", "nowait", "nodelay=on")


@dataclass(frozen=True, slots=True)
class GdbAddress:
    """The path of a UNIX socket; or else a host and a port, 0 being any that is free."""

    path: str = ""
    host: str = ""
    port: int = 0

    @property
    def target(self) -> str:
        """What gdb's ``target remote`` calls it."""
        if self.path:
            return self.path
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'' if self.host == LOCALHOST else host}:{self.port}"


def parse_address(text: str) -> GdbAddress:
    """Read where to listen, in QEMU's spelling; BadUsage says what is wrong.

    papvmm is always the server, and the guest does not wait for a debugger unless with ``-S``.
    """
    kind, _, rest = text.partition(":")
    place, *options = rest.split(",")
    if kind not in ("unix", "tcp") or not place:
        raise BadUsage(f"-gdb {text}: write unix:PATH or tcp:[HOST]:PORT")
    for option in options:
        if option in ("wait", "wait=on"):
            raise BadUsage(f"-gdb {text}: instead of {option}, give -S: the guest starts paused")
        if option not in _ACCEPTED:
            raise BadUsage(f"-gdb {text}: {option!r} is neither server=on nor wait=off")
    if kind == "unix":
        return GdbAddress(path=place)
    found = parse_place(place)
    if found is None:
        raise BadUsage(f"-gdb {text}: write tcp:[HOST]:PORT, as in tcp::{DEFAULT_PORT}")
    return GdbAddress(host=found.host, port=found.port)
