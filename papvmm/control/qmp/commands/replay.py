"""Commands about what the guest has done: how it is recorded, and the way back."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.past import history_of, keep_history, seek
from papvmm.control.qmp.schema import Nothing, command
from papvmm.control.strict_json import Json


@dataclass(frozen=True, slots=True)
class Seek:
    """A moment: the instructions completed before it."""

    icount: int


async def query_replay(control: Control, _arguments: Nothing) -> Json:
    """Tell whether what the guest does is recorded, or done again, and where it is."""
    guest = control.machine.guest
    mode = "none"
    if guest.history is not None:
        mode = "play" if guest.history.is_past else "record"
    return {"mode": mode, "icount": guest.clock.icount}


async def begin_history(control: Control, _arguments: Nothing) -> Json:
    """Keep a history from now on, if none is kept already."""
    await keep_history(control)
    return {"begin": history_of(control).begin.icount}


async def replay_seek(control: Control, arguments: Seek) -> Json:
    """Bring the guest to a moment of its history; it rests there."""
    await seek(control, arguments.icount)
    return {}


REPLAY: Final = (
    command("query-replay", Nothing, query_replay, oob=True),
    command("replay-seek", Seek, replay_seek),
    command("x-papvmm-keep-history", Nothing, begin_history),
)
