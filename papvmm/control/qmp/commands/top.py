"""x-papvmm-query-top: everything ``papvmm top`` shows, in one answer."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.schema import BadArgument, command
from papvmm.control.strict_json import Json
from papvmm.control.top.collect import collect
from papvmm.control.top.wire import to_json

MOST: Final = 100
"""Log entries of a vcpu, and stores, that one answer tells of: some 3 ms for two vcpus."""


@dataclass(frozen=True, slots=True)
class Top:
    """How much: the latest ``log`` log entries of each vcpu, the latest ``writes`` stores."""

    log: int = 16
    writes: int = 16


async def query_top(control: Control, arguments: Top) -> Json:
    """Tell what the guest does, and what its hypervisor did last."""
    log, writes = arguments.log, arguments.writes
    if max(log, writes) > MOST:
        raise BadArgument(f"the arguments 'log' and 'writes' must be at most {MOST}")
    return to_json(collect(control.machine, control.name, log, writes))


TOP: Final = (command("x-papvmm-query-top", Top, query_top, oob=True),)
