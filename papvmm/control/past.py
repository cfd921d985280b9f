"""The guest's history, as monitors show it and move in it."""

from papvmm.control.control import Control
from papvmm.errors import PapvmmError
from papvmm.machine.history import History
from papvmm.machine.position import Position


class NoHistoryKept(PapvmmError):
    """There is no way back."""


def history_of(control: Control) -> History:
    """Return the history that is kept of the guest; NoHistoryKept if there is none."""
    history = control.machine.guest.history
    if not isinstance(history, History):
        raise NoHistoryKept(
            "no history is kept: -gdb, x-papvmm-keep-history or papvmm replay begin one"
        )
    return history


async def keep_history(control: Control) -> None:
    """Begin a history, if none is kept: from now on there is a way back to here."""
    guest = control.machine.guest

    def begin() -> None:
        if guest.history is None:
            History(guest)

    await control.machine.between_entries(begin)
    history_of(control)


async def seek(control: Control, icount: int) -> Position:
    """Bring the guest, which rests then, to a moment, or to the end of history before it.

    Return where it is. NoHistory if history begins later.
    """
    history = history_of(control)
    await control.machine.pause()
    return history.seek(icount)
