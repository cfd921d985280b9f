"""The side that a guest leaves.

RAM is sent while the guest runs: in a first pass whatever it holds, in further ones what has
changed since. When the rest can be sent within the down-time that is allowed, the guest stops
between two guest entries of every vcpu, and the rest follows with the state. Nothing here keeps
the guest waiting for more than some milliseconds: RAM is looked at a window at a time, and a
thread sends.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from mmap import PAGESIZE
from threading import Lock
from time import monotonic
from typing import Final, TypeVar

from papvmm.control.migration.address import Address
from papvmm.control.migration.brake import Brake
from papvmm.control.migration.channel import Channel, connect
from papvmm.control.migration.configuration import announce
from papvmm.control.migration.figures import Figures, Status
from papvmm.control.migration.pages import page_records, table_records
from papvmm.control.migration.settings import Capabilities, Parameters
from papvmm.control.migration.stream import LOADED, RUNS, Kind, Record, Writer, zeros_length
from papvmm.control.snapshot.state import collect
from papvmm.errors import BadInput
from papvmm.machine.dirty_pages import WINDOW, Changes
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState

BATCH: Final = 1 << 20
"""Bytes that the thread is given at a time, about."""
MOST_PASSES: Final = 50
"""After so many the guest is stopped, however long the rest takes."""
SHRINKS: Final = 0.7
"""What a pass leaves of what the one before left, at most, if it pays to go on as before."""
TURN: Final = 0.002
"""Seconds of looking for changes after which it is the guest's turn."""
STATE_TAKES: Final = 0.03
"""Seconds that everything but RAM takes, about."""
SHARE: Final = 0.5
"""Of the down-time that is allowed, what is planned for: hosts have other things to do."""
GUESS: Final = 100e6
"""Bytes a second, until enough of them have gone."""
SOON: Final = 1e-6
"""Seconds that any work takes."""
ENOUGH: Final = 4 << 20

T = TypeVar("T")


class Outgoing:
    """One migration: ``await run()`` returns when the guest has gone.

    It raises, and the guest is where it was, if it has not. ``on_pass`` is called after every
    pass, ``on_status`` with every change of the status but for the last.
    """

    def __init__(
        self,
        machine: Machine,
        address: Address,
        figures: Figures,
        settings: tuple[Capabilities, Parameters],
        on_status: Callable[[Status], None],
    ) -> None:
        self.has_gone = False
        """Whether the other side has been told that the guest is its own."""
        self._stays = False
        self._ran = False
        """Whether the guest ran until it was stopped for the rest to go."""
        self._deciding: Final = Lock()
        self._machine: Final = machine
        self._guest: Final = machine.guest
        self._address: Final = address
        self._figures: Final = figures
        self._capabilities, self._parameters = settings
        self._on_status: Final = on_status
        self._brake: Final = Brake(machine, self._parameters.max_cpu_throttle)
        self._pool: Final = ThreadPoolExecutor(1, "migration")
        self._channel: Channel | None = None
        self._writer: Final = Writer(self._emit)
        self._flight: asyncio.Future[float] | None = None
        self._batch: list[Record] = []
        self._size = 0
        self._busy = 0.0
        """Seconds of work; waiting for the guest's turn to end is none."""

    async def run(self) -> None:
        """Send the guest away."""
        try:
            self._channel = await self._in_thread(lambda: connect(self._address))
            await self._send_all()
        except BaseException:
            self.stay()
            self._give_up()
            # Whatever the thread is about to do, it has done now.
            await self._in_thread(lambda: None)
            self._take_back()
            raise
        finally:
            self._pool.shutdown(wait=False)

    @property
    def _way(self) -> Channel:
        assert self._channel is not None
        return self._channel

    def _give_up(self) -> None:
        if self._channel is not None:
            self._channel.abort()
        if self._flight is not None:
            # What comes of it doesn't matter any more.
            self._flight.add_done_callback(lambda flight: flight.cancelled() or flight.exception())

    async def _send_all(self) -> None:
        figures, guest = self._figures, self._guest
        changes = guest.dirty_pages.subscribe(everything=True)
        try:
            await self._in_thread(self._writer.begin)
            for record in announce(guest.config):
                await self._put(record)
            await self._flush()
            figures.setup = figures.seconds
            self._on_status(Status.ACTIVE)
            await self._precopy(changes)
            began = monotonic()
            await self._stop()
            self._on_status(Status.DEVICE)
            await self._send_rest(changes)
        finally:
            changes.close()
        await self._hand_over()
        figures.down, figures.remaining = monotonic() - began, 0
        figures.transferred = self._writer.sent
        self._machine.move(RunState.POSTMIGRATE)

    # While the guest runs.

    async def _precopy(self, changes: Changes) -> None:
        figures = self._figures
        left = self._guest.memory.size
        while figures.passes < MOST_PASSES:
            began = monotonic()
            await self._pass(changes)
            figures.passes += 1
            before, left = left, changes.estimate() * PAGESIZE
            figures.remaining = left
            figures.dirtied = left / PAGESIZE / (monotonic() - began)
            figures.expected = left / figures.bandwidth + STATE_TAKES
            if self._machine.run_state is not RunState.RUNNING:
                break
            if figures.expected <= self._parameters.downtime_limit / 1000 * SHARE:
                break
            if left > before * SHRINKS and self._capabilities.auto_converge:
                self._brake.press()
                figures.throttle = self._brake.percent

    async def _pass(self, changes: Changes) -> None:
        """Send what has changed, window by window."""
        began = monotonic()
        for window in range(0, self._guest.memory.size, WINDOW):
            pages = changes.take_window(window)
            records = list(page_records(self._guest.memory, pages))
            if (spent := monotonic() - began) > TURN:
                self._busy += spent
                await asyncio.sleep(0)
                began = monotonic()
            for record in records:
                await self._put(record)
        await self._flush()

    # When it does not.

    async def _stop(self) -> None:
        """Stop the guest between two guest entries of every vcpu."""
        self._brake.release()
        machine = self._machine
        await machine.pause(RunState.FINISH_MIGRATE)
        self._ran = machine.run_state is RunState.FINISH_MIGRATE
        if not self._ran:
            machine.move(RunState.FINISH_MIGRATE)

    async def _send_rest(self, changes: Changes) -> None:
        guest = self._guest
        for record in page_records(guest.memory, sorted(changes.take())):
            await self._put(record)
        if not guest.hash_table.is_empty:
            for record in table_records(memoryview(guest.hash_table.content)):
                await self._put(record)
        state = json.dumps({"running": self._ran, "guest": collect(guest)}).encode()
        self._batch += [Record(Kind.STATE, 0, state), Record(Kind.READY)]

    async def _hand_over(self) -> None:
        """Send what is left, see that the guest is there, and let it go."""
        batch, self._batch = self._batch, []
        await self._land()
        await self._in_thread(lambda: self._deliver(batch))

    def _deliver(self, batch: Iterable[Record]) -> None:
        """Do that, in the thread: each change of threads is time that the guest waits for."""
        channel, go = self._way, [Record(Kind.GO)]
        self._writer.write(batch)
        if channel.answers:
            self._expect(LOADED)
            with self._deciding:
                if self._stays:
                    raise BadInput("cancelled")
                self._writer.write(go)
                self.has_gone = True
            self._expect(RUNS)
            channel.commit()
        else:
            self._writer.write(go)
            channel.commit()
            self.has_gone = True

    def stay(self) -> bool:
        """Keep the guest here, if it has not gone yet; return whether it stays."""
        with self._deciding:
            self._stays = not self.has_gone
            return self._stays

    def _expect(self, answer: bytes) -> None:
        if self._way.receive(len(answer)) != answer:
            raise BadInput("the other side answers nonsense")

    def _take_back(self) -> None:
        """Have the guest here again, unless it has gone."""
        self._brake.release()
        machine = self._machine
        if machine.run_state is RunState.FINISH_MIGRATE:
            machine.move(RunState.POSTMIGRATE if self.has_gone else RunState.PAUSED)
            if self._ran and not self.has_gone:
                machine.resume()

    # Sending.

    async def _put(self, record: Record) -> None:
        self._batch.append(record)
        self._size += len(record.payload)
        if record.kind is Kind.PAGES:
            self._figures.pages += -(-len(record.payload) // PAGESIZE)
        elif record.kind is Kind.ZEROS:
            self._figures.zero_pages += zeros_length(record.payload) // PAGESIZE
        if self._size >= BATCH:
            await self._launch()

    async def _flush(self) -> None:
        """Have everything sent that was put."""
        if self._batch:
            await self._launch()
        await self._land()

    async def _launch(self) -> None:
        """Give the batch to the thread, which has nothing else to do then."""
        await self._land()
        batch, self._batch, self._size = self._batch, [], 0
        self._flight = asyncio.ensure_future(self._in_thread(lambda: self._write(batch)))

    async def _land(self) -> None:
        if self._flight is None:
            return
        flight, self._flight = self._flight, None
        self._busy += await flight
        figures = self._figures
        figures.transferred = self._writer.sent
        figures.bandwidth = figures.transferred / max(self._busy, SOON)
        if figures.transferred < ENOUGH:
            figures.bandwidth = max(GUESS, figures.bandwidth)
        most = self._parameters.max_bandwidth
        if most and self._machine.run_state is RunState.RUNNING:
            await asyncio.sleep(figures.transferred / most - (figures.seconds - figures.setup))

    def _emit(self, data: bytes) -> None:
        self._way.send(data)

    def _write(self, batch: Iterable[Record]) -> float:
        """Send records; return how long that took. In the thread."""
        began = monotonic()
        self._writer.write(batch)
        return monotonic() - began

    def _in_thread(self, act: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, act)
