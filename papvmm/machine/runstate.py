"""Run-states of a machine, and which moves between them are legal."""

from enum import Enum
from typing import Final

from papvmm.errors import PapvmmError


class RunState(Enum):
    """Where a machine is in its life; the values are QMP's names."""

    CREATED = "prelaunch"
    RUNNING = "running"
    PAUSED = "paused"
    INMIGRATE = "inmigrate"
    """A guest is to come from somewhere else; ``PAUSED`` follows when it is there."""
    FINISH_MIGRATE = "finish-migrate"
    """What is left of a guest goes somewhere else, and it may yet have to go on here."""
    POSTMIGRATE = "postmigrate"
    """The guest has gone somewhere else."""
    SHUTDOWN = "shutdown"


LEGAL: Final[dict[RunState, tuple[RunState, ...]]] = {
    RunState.CREATED: (
        RunState.RUNNING, RunState.PAUSED, RunState.INMIGRATE, RunState.FINISH_MIGRATE,
        RunState.SHUTDOWN,
    ),
    RunState.RUNNING: (RunState.PAUSED, RunState.FINISH_MIGRATE, RunState.SHUTDOWN),
    RunState.PAUSED: (RunState.RUNNING, RunState.FINISH_MIGRATE, RunState.SHUTDOWN),
    RunState.INMIGRATE: (RunState.PAUSED, RunState.SHUTDOWN),
    RunState.FINISH_MIGRATE: (RunState.PAUSED, RunState.POSTMIGRATE, RunState.SHUTDOWN),
    RunState.POSTMIGRATE: (RunState.RUNNING, RunState.FINISH_MIGRATE, RunState.SHUTDOWN),
    RunState.SHUTDOWN: (),
}  # fmt: skip


class IllegalMove(PapvmmError):
    """A machine was asked to do what its run-state does not allow."""

    def __init__(self, now: RunState, wanted: RunState) -> None:
        super().__init__(f"a machine that is {now.value} can't become {wanted.value}")


def check_move(now: RunState, wanted: RunState) -> None:
    """Raise IllegalMove unless a machine may go from ``now`` to ``wanted``."""
    if wanted not in LEGAL[now]:
        raise IllegalMove(now, wanted)
