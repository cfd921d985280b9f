"""What users may set about migrations, by QEMU's names."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

from papvmm.errors import PapvmmError

MOST_MS: Final = 2_000_000
MOST_BANDWIDTH: Final = 1 << 62
MOST_THROTTLE: Final = 99

QEMU_CAPABILITIES: Final = frozenset((
    "xbzrle", "rdma-pin-all", "zero-blocks", "compress", "postcopy-ram", "x-colo",
    "release-ram", "block", "return-path", "pause-before-switchover", "multifd", "dirty-bitmaps",
    "postcopy-blocktime", "late-block-activate", "x-ignore-shared", "validate-uuid",
    "background-snapshot", "zero-copy-send", "postcopy-preempt", "switchover-ack", "dirty-limit",
    "mapped-ram",
))  # fmt: skip
"""Those of QEMU that there are not: they are off, and stay off."""


class BadSetting(PapvmmError):
    """A setting there is not, or not with such a value."""


@dataclass(slots=True)
class Capabilities:
    """``events``: whether QMP clients are told of every change of a migration's status.

    ``auto_converge``: whether a guest that changes its RAM faster than it can be sent is slowed
    down.
    """

    events: bool = False
    auto_converge: bool = True


@dataclass(slots=True)
class Parameters:
    """``downtime_limit`` in ms; ``max_bandwidth`` in bytes a second, 0 for no limit.

    ``max_cpu_throttle`` is the most a guest is slowed down, in percent of its time.
    """

    downtime_limit: int = 100
    max_bandwidth: int = 0
    max_cpu_throttle: int = 95


MOST: Final = {
    "downtime_limit": MOST_MS,
    "max_bandwidth": MOST_BANDWIDTH,
    "max_cpu_throttle": MOST_THROTTLE,
}


def names(of: type[Capabilities] | type[Parameters]) -> tuple[str, ...]:
    """Return QMP's names of settings."""
    return tuple(field.name.replace("_", "-") for field in fields(of))


def set_capability(capabilities: Capabilities, name: str, *, state: bool) -> None:
    """Switch a capability; BadSetting if there is no such thing."""
    if name in names(Capabilities):
        setattr(capabilities, name.replace("-", "_"), state)
    elif state or name not in QEMU_CAPABILITIES:
        known = ", ".join(names(Capabilities))
        raise BadSetting(f"there is no capability {name!r}; there is {known}")


def set_parameters(parameters: Parameters, given: Mapping[str, int]) -> None:
    """Set parameters, by the names of the fields, or none of them; BadSetting if one can't be."""
    for name, value in given.items():
        if value > MOST[name]:
            raise BadSetting(f"{name.replace('_', '-')} must be at most {MOST[name]}")
    for name, value in given.items():
        setattr(parameters, name, value)
