"""Options that several commands take, in QEMU's spellings, and how their values are read."""

import math
import os
import re
import stat
from argparse import ArgumentTypeError
from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from papvmm.bits import M64
from papvmm.boot.elf import DEFAULT_KERNEL_ADDR
from papvmm.errors import BadInput, BadUsage
from papvmm.isa.processors import cpu_model
from papvmm.machine.config import File, OnPanic, OnReboot, OnShutdown, parse_size

if TYPE_CHECKING:
    from papvmm.control.gdb.address import GdbAddress
    from papvmm.control.metrics.address import MetricsAddress
    from papvmm.control.socket_address import SocketAddress


def read_file(path: str) -> File:
    """Read a file that the user named; BadInput says in one line why it can't be read."""
    try:
        if stat.S_ISCHR(os.stat(path).st_mode):
            raise BadInput(f"{path} is a device, which may have no end: copy it to a file")
        with open(path, "rb") as file:
            return File(path, file.read())
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None


def memory_size(text: str) -> int:
    """Read a size in bytes, as ``parse_size`` does."""
    try:
        return parse_size(text)
    except BadUsage as error:
        raise ArgumentTypeError(str(error)) from None


def cpu_count(text: str) -> int:
    """Read ``4`` or ``cpus=4``; one thread a core is all there is."""
    match = re.fullmatch(r"(?:cpus=)?(\d+)((?:,(?:cores|threads|sockets|maxcpus)=\d+)*)", text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is no vcpu count; write 4 or cpus=4")
    if re.search(r"threads=(?!1\b)", match[2]):
        raise ArgumentTypeError("vcpus have one thread each: leave threads= out")
    return int(match[1])


QUESTIONS: Final = ("help", "?")
"""What QEMU takes for a question about the values of an option."""


def processor(text: str) -> str:
    """Read a processor's name, in upper or lower case, and return the one it has.

    A question goes through.
    """
    if text in QUESTIONS:
        return text
    name, comma, properties = text.partition(",")
    if comma:
        raise ArgumentTypeError(f"processors have no properties: leave {properties} out")
    try:
        return cpu_model(name).name
    except BadUsage as error:
        raise ArgumentTypeError(str(error)) from None


class MachineType(NamedTuple):
    """What ``-machine`` says: the kernel's load address, and where to write the device tree."""

    kernel_addr: int = DEFAULT_KERNEL_ADDR
    dumpdtb: str | None = None


def machine_type(text: str) -> MachineType:
    """Read ``pseries[,kernel-addr=ADDRESS][,dumpdtb=FILE]``."""
    name, *properties = text.split(",")
    if not re.fullmatch(r"pseries(-[\d.]+)?", name):
        raise ArgumentTypeError(f"there is no machine {name!r}: papvmm is a pseries")
    machine = MachineType()
    for item in properties:
        key, _, value = item.partition("=")
        if key == "kernel-addr":
            machine = machine._replace(kernel_addr=number(value))
            if machine.kernel_addr % 4:
                raise ArgumentTypeError(f"kernel-addr={value}: instructions are at multiples of 4")
        elif key == "dumpdtb":
            machine = machine._replace(dumpdtb=value)
        elif not re.fullmatch(r"cap-[a-z0-9-]+|accel|x-vof|usb|vsmt|ic-mode", key):
            raise ArgumentTypeError(f"the pseries machine has no property {key!r}")
    return machine


def rtc_base(text: str) -> int | None:
    """Read ``base=utc`` (None: the host's date) or ``base=2006-06-17[T16:01:21]`` (seconds)."""
    from datetime import UTC, datetime  # noqa: PLC0415 - few ask for a date

    base = text.removeprefix("base=").partition(",")[0]
    if base in ("utc", "localtime"):
        return None
    try:
        moment = datetime.fromisoformat(base)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: write base=utc or base=2006-06-17T16:01:21") from None
    return int(moment.replace(tzinfo=UTC).timestamp())


def metrics_address(text: str) -> "MetricsAddress":
    """Read where metrics are to be had."""
    from papvmm.control.metrics.address import parse_address  # noqa: PLC0415 - who asks, waits

    return parse_address(text)


def socket_address(option: str) -> "Callable[[str], SocketAddress]":
    """Return a reader of ``unix:PATH[,server=on][,wait=off]`` for an option."""

    def read(text: str) -> "SocketAddress":
        from papvmm.control.socket_address import parse_address  # noqa: PLC0415 - few ask for it

        return parse_address(option, text)

    return read


DEBUGGER: Final = "tcp::1234"
"""What ``-s`` stands for."""


def gdb_address(text: str) -> "GdbAddress":
    """Read ``unix:PATH`` or ``tcp:[HOST]:PORT``."""
    from papvmm.control.gdb.address import parse_address  # noqa: PLC0415 - few ask for it

    return parse_address(text)


DEFER: Final = "defer"
"""Where a guest comes from that QMP's migrate-incoming says."""


def incoming(text: str) -> str:
    """Read where a guest comes from: a URI, or ``defer``."""
    from papvmm.control.migration.address import parse_uri  # noqa: PLC0415 - few ask for it

    if text != DEFER:
        parse_uri(text)
    return text


ACTIONS: Final[Mapping[str, type[OnReboot | OnShutdown | OnPanic]]] = {
    "reboot": OnReboot, "shutdown": OnShutdown, "panic": OnPanic,
}  # fmt: skip
"""What ``-action`` may be about, and what may be done then."""


def actions(text: str) -> dict[str, Enum]:
    """Read ``reboot=…``, ``shutdown=…`` or ``panic=…``, or several with commas in between.

    Return the values of ``MachineConfig``'s fields on_reboot, on_shutdown and on_panic.
    """
    chosen = dict[str, Enum]()
    for item in text.split(","):
        event, _, value = item.partition("=")
        if event not in ACTIONS:
            raise ArgumentTypeError(f"{item!r}: write {', '.join(f'{one}=…' for one in ACTIONS)}")
        known = [action.value for action in ACTIONS[event]]
        if value not in known:
            raise ArgumentTypeError(f"{item!r}: {event}= is {', '.join(known)}")
        chosen[f"on_{event}"] = ACTIONS[event](value)
    return chosen


def number(text: str) -> int:
    """Read an unsigned number of 64 bits: decimal, or with 0x, 0o or 0b before it."""
    try:
        value = int(text, 0)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 <= value <= M64:
        raise ArgumentTypeError(f"{text} is not between 0 and 2^64 - 1")
    return value


def seconds(text: str) -> float:
    """Read a time in seconds."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def one_of(what: str, *known: str) -> Callable[[str], str]:
    """Return a reader of one of the ``known`` names, which may be followed by properties."""

    def read(text: str) -> str:
        name = text.partition(",")[0]
        if name.lower() not in {one.lower() for one in known}:
            raise ArgumentTypeError(f"{what} {text!r} is not there; there is {', '.join(known)}")
        return name

    return read
