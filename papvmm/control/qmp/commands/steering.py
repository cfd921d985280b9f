"""Commands that steer the machine."""

from collections.abc import Awaitable, Callable
from typing import Final

from papvmm.control import steering
from papvmm.control.control import Control
from papvmm.control.qmp.schema import Nothing, command
from papvmm.control.strict_json import Json


def _without_answer(
    steer: Callable[[Control], Awaitable[None]],
) -> Callable[[Control, Nothing], Awaitable[Json]]:
    """Return what does it, and returns nothing."""

    async def act(control: Control, _arguments: Nothing) -> Json:
        await steer(control)
        return {}

    return act


STEERING: Final = (
    command("stop", Nothing, _without_answer(steering.stop)),
    command("cont", Nothing, _without_answer(steering.cont)),
    command("system_reset", Nothing, _without_answer(steering.system_reset)),
    command("quit", Nothing, _without_answer(steering.quit_machine)),
)
