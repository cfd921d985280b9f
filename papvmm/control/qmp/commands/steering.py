"""Commands that steer the machine."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from papvmm.control import steering
from papvmm.control.control import Control
from papvmm.control.qmp.schema import BadArgument, Nothing, command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class Actions:
    """What the guest's doing does from now on; what is not given stays."""

    reboot: str | None = None
    shutdown: str | None = None
    panic: str | None = None
    watchdog: str | None = None


def _without_answer(
    steer: Callable[[Control], Awaitable[None]],
) -> Callable[[Control, Nothing], Awaitable[Json]]:
    """Return what does it, and returns nothing."""

    async def act(control: Control, _arguments: Nothing) -> Json:
        await steer(control)
        return {}

    return act


async def set_action(control: Control, arguments: Actions) -> Json:
    """Change what a reset, power-off or panic by the guest does; there is no watchdog."""
    if arguments.watchdog not in (None, "none"):
        raise BadArgument("the argument 'watchdog' must be 'none': there is no watchdog")
    config = control.machine.guest.config
    control.machine.guest.config = config.replace(
        on_reboot=_action("reboot", arguments.reboot, config.on_reboot),
        on_shutdown=_action("shutdown", arguments.shutdown, config.on_shutdown),
        on_panic=_action("panic", arguments.panic, config.on_panic),
    )
    return {}


A = TypeVar("A", bound=Enum)


def _action(event: str, wanted: str | None, now: A) -> A:
    """Return the action of this name, of the kind that there is now."""
    if wanted is None:
        return now
    known = {action.value: action for action in type(now)}
    if wanted not in known:
        raise BadArgument(f"the argument '{event}' must be one of {', '.join(known)}")
    return known[wanted]


STEERING: Final = (
    command("stop", Nothing, _without_answer(steering.stop)),
    command("cont", Nothing, _without_answer(steering.cont)),
    command("system_reset", Nothing, _without_answer(steering.system_reset)),
    command("system_powerdown", Nothing, _without_answer(steering.system_powerdown)),
    command("system_wakeup", Nothing, _without_answer(steering.system_wakeup)),
    command("inject-nmi", Nothing, _without_answer(steering.inject_nmi)),
    command("set-action", Actions, set_action),
    command("quit", Nothing, _without_answer(steering.quit_machine)),
)
