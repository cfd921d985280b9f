"""The monitor's commands that steer the machine."""

from collections.abc import Awaitable, Callable
from typing import Final

from papvmm.control import steering
from papvmm.control.control import Control
from papvmm.control.hmp.command import Act, Call, HmpCommand
from papvmm.control.hmp.expression import evaluate
from papvmm.control.past import seek


def _silent(steer: Callable[[Control], Awaitable[None]]) -> Act:
    """Return what does it, and has nothing to say."""

    async def act(call: Call) -> str:
        call.exactly(0)
        await steer(call.control)
        return ""

    return act


async def replay_seek(call: Call) -> str:
    """Bring the guest to a moment of its history."""
    (icount,) = call.exactly(1)
    position = await seek(call.control, evaluate(icount.replace(",", ""), call.vcpu))
    return f"{position}\n"


STEERING: Final = (
    HmpCommand(("stop", "s"), "", "stop emulation", _silent(steering.stop)),
    HmpCommand(("cont", "c"), "", "resume emulation", _silent(steering.cont)),
    HmpCommand(("system_reset",), "", "reset the system", _silent(steering.system_reset)),
    HmpCommand(
        ("system_powerdown",), "", "send system power down event",
        _silent(steering.system_powerdown),
    ),
    HmpCommand(
        ("system_wakeup",), "", "wakeup guest from suspend", _silent(steering.system_wakeup)
    ),
    HmpCommand(("nmi",), "", "inject an NMI on every CPU", _silent(steering.inject_nmi)),
    HmpCommand(
        ("replay_seek",), "icount", "replay execution to the specified instruction count",
        replay_seek,
    ),
    HmpCommand(("quit", "q"), "", "quit the emulator", _silent(steering.quit_machine)),
)  # fmt: skip
