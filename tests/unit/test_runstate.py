"""The moves between run-states."""

import pytest

from papvmm.machine.runstate import IllegalMove, RunState, check_move

LEGAL = {
    ("prelaunch", "running"), ("prelaunch", "paused"), ("prelaunch", "shutdown"),
    ("running", "paused"), ("running", "shutdown"),
    ("paused", "running"), ("paused", "shutdown"),
    ("prelaunch", "inmigrate"), ("inmigrate", "paused"), ("inmigrate", "shutdown"),
    ("prelaunch", "finish-migrate"), ("running", "finish-migrate"), ("paused", "finish-migrate"),
    ("finish-migrate", "paused"), ("finish-migrate", "postmigrate"), ("finish-migrate", "shutdown"),
    ("postmigrate", "running"), ("postmigrate", "finish-migrate"), ("postmigrate", "shutdown"),
}  # fmt: skip


@pytest.mark.parametrize("now", RunState)
@pytest.mark.parametrize("wanted", RunState)
def test_only_these_moves_are_legal(now, wanted):
    try:
        check_move(now, wanted)
    except IllegalMove:
        moved = False
    else:
        moved = True

    assert moved == ((now.value, wanted.value) in LEGAL)
