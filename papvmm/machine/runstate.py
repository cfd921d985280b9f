"""Run-states of a machine, and which moves between them are legal."""

from enum import Enum
from typing import Final

from papvmm.errors import PapvmmError


class RunState(Enum):
    """Where a machine is in its life; the values are QMP's names."""

    CREATED = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    SHUTDOWN = "shutdown"


LEGAL: Final = {
    RunState.CREATED: (RunState.RUNNING, RunState.PAUSED, RunState.SHUTDOWN),
    RunState.RUNNING: (RunState.PAUSED, RunState.SHUTDOWN),
    RunState.PAUSED: (RunState.RUNNING, RunState.SHUTDOWN),
    RunState.SHUTDOWN: (),
}


class IllegalMove(PapvmmError):
    """A machine was asked to do what its run-state does not allow."""

    def __init__(self, now: RunState, wanted: RunState) -> None:
        super().__init__(f"a machine that is {now.value} can't become {wanted.value}")


def check_move(now: RunState, wanted: RunState) -> None:
    """Raise IllegalMove unless a machine may go from ``now`` to ``wanted``."""
    if wanted not in LEGAL[now]:
        raise IllegalMove(now, wanted)
