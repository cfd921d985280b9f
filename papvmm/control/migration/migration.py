"""The migrations of one machine, one at a time: what QMP's commands start, stop and look at."""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from papvmm.control.migration.address import parse_uri
from papvmm.control.migration.figures import OVER, Figures, Status
from papvmm.control.migration.incoming import Incoming
from papvmm.control.migration.outgoing import Outgoing
from papvmm.control.migration.settings import Capabilities, Parameters
from papvmm.errors import PapvmmError
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState
from papvmm.machine.tasks import Tasks

FAILED: Final = "migration"
"""Why a machine shuts down whose guest has not come: see ``Quit``."""
LEAVES: Final = (RunState.CREATED, RunState.RUNNING, RunState.PAUSED, RunState.POSTMIGRATE)
"""Run-states of a machine whose guest may go elsewhere."""


class NotNow(PapvmmError):
    """A migration can't begin; the text says why."""


class Migration:
    """Lets the guest of a machine go, or come: ``async with Migration() as migration: …``.

    ``tell`` gets a line for people about how it went.
    """

    def __init__(self) -> None:
        self.capabilities: Final = Capabilities()
        self.parameters: Final = Parameters()
        self.figures: Figures | None = None
        """Of the migration that is under way, or was the last."""
        self.on_status: Final[list[Callable[[Status], None]]] = []
        self.goes_on = True
        """Whether a guest that comes goes on where it ran."""
        self.tell: Callable[[str], None] = lambda _: None
        self._tasks: Final = Tasks()
        self._task: asyncio.Task[None] | None = None
        self._outgoing: Outgoing | None = None

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._task is not None:
            self._task.cancel()
        await self._tasks.__aexit__(kind, error, traceback)

    def send(self, machine: Machine, uri: str) -> None:
        """Begin to send the guest away; NotNow if it can't be sent, BadUsage if not there."""
        address = parse_uri(uri)
        if self.figures is not None and self.figures.status not in OVER:
            raise NotNow("there is a migration under way")
        run_state = machine.run_state
        if run_state not in LEAVES:
            raise NotNow(f"a machine that is {run_state.value} can't be migrated")
        inside = machine.guest.inside
        if run_state is not RunState.RUNNING and inside is not None:
            raise NotNow(f"vcpu {inside.vcpu_id} is in the middle of its turn: let it go on")
        self.figures = Figures(machine.guest.memory.size)
        settings = self.capabilities, self.parameters
        going = Outgoing(machine, address, self.figures, settings, self._become)
        self._outgoing = going
        self._become(Status.SETUP)
        self._task = self._tasks.create_task(self._send(going, uri), name="migration")

    def expect(self, machine: Machine, uri: str) -> None:
        """Begin to wait for a guest; NotNow if the machine has had one, BadUsage for no URI.

        BadInput if it can't come there. If none comes, the machine shuts down.
        """
        if machine.run_state is not RunState.INMIGRATE or self._task is not None:
            raise NotNow("no guest is awaited here: start with -incoming defer")
        self.figures = Figures(machine.guest.memory.size)
        coming = Incoming(machine, parse_uri(uri), self.figures, self._become)
        self._become(Status.SETUP)
        self._task = self._tasks.create_task(self._receive(machine, coming, uri), name="migration")

    async def over(self) -> Figures:
        """Wait until the migration that is under way is over; return its figures."""
        assert self.figures is not None
        ended = asyncio.Event()

        def see(status: Status) -> None:
            if status in OVER:
                ended.set()

        if self.figures.status not in OVER:
            self.on_status.append(see)
            await ended.wait()
            self.on_status.remove(see)
        return self.figures

    def cancel(self) -> None:
        """Have the guest stay where it is, if there is still time."""
        going = self._outgoing
        if self._task is not None and going is not None and going.stay():
            self._become(Status.CANCELLING)
            self._task.cancel()

    async def _send(self, going: Outgoing, uri: str) -> None:
        assert self.figures is not None
        try:
            await going.run()
        except asyncio.CancelledError:
            if going.has_gone:
                self.figures.error = "it was cancelled too late: the guest has gone"
            self._become(Status.FAILED if going.has_gone else Status.CANCELLED)
        except (PapvmmError, OSError) as error:
            why = _text(error)
            here = "; whether it runs there is not known" if going.has_gone else ", and stays here"
            self.figures.error = why
            self.tell(f"the guest did not go to {uri}{here}: {why}")
            self._become(Status.FAILED)
        else:
            self._become(Status.COMPLETED)
            self.tell(f"the guest has gone to {uri}: {self.figures.summary()}")
        self._task = None

    async def _receive(self, machine: Machine, coming: Incoming, uri: str) -> None:
        assert self.figures is not None
        try:
            await coming.run()
        except (PapvmmError, OSError) as error:
            self.figures.error = _text(error)
            self._become(Status.FAILED)
            self.tell(f"no guest has come by {uri}: {_text(error)}")
            machine.quit(FAILED)
            return
        machine.move(RunState.PAUSED)
        if coming.runs and self.goes_on:
            machine.resume()
        coming.confirm()
        self._become(Status.COMPLETED)
        self._task = None

    def _become(self, status: Status) -> None:
        figures = self.figures
        if figures is None or (figures.status is status and status is not Status.SETUP):
            return
        if status in OVER:
            figures.end()
        figures.status = status
        for listener in self.on_status:
            listener(status)


def _text(error: PapvmmError | OSError) -> str:
    if isinstance(error, TimeoutError):
        return "the other side does not answer"
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
