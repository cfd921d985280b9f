"""The side that a guest comes to.

Nothing runs here until the guest is whole, so a thread takes it in on its own.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from papvmm.control.migration.address import Address
from papvmm.control.migration.channel import Channel, Door
from papvmm.control.migration.configuration import Announced, parsed
from papvmm.control.migration.figures import Figures, Status
from papvmm.control.migration.pages import apply_pages
from papvmm.control.migration.stream import LOADED, RUNS, Kind, Reader, Record
from papvmm.control.snapshot.load import load_state
from papvmm.control.snapshot.members import Members
from papvmm.errors import BadInput
from papvmm.machine.adoption import adopt
from papvmm.machine.guest import Guest
from papvmm.machine.machine import Machine

T = TypeVar("T")


class Incoming:
    """A guest that is awaited: ``await run()`` returns when it is here, and its own master.

    BadInput, or OSError, if it isn't. ``runs`` tells then whether it ran where it came from.
    """

    def __init__(
        self,
        machine: Machine,
        address: Address,
        figures: Figures,
        on_status: Callable[[Status], None],
    ) -> None:
        self.runs = False
        self._machine: Final = machine
        self._figures: Final = figures
        self._on_status: Final = on_status
        self._door: Final = Door(address)
        self._channel: Channel | None = None
        self._pool: Final = ThreadPoolExecutor(1, "migration")

    async def run(self) -> None:
        """Wait for the guest, and take it in."""
        try:
            channel = self._channel = await self._in_thread(self._door.accept)
            self._on_status(Status.ACTIVE)
            self.runs = await self._in_thread(partial(self._take_in, channel))
        except BaseException:
            self._door.close()
            if self._channel is not None:
                self._channel.abort()
            raise

    def confirm(self) -> None:
        """Tell the other side that the guest runs; it may have given up to wait for that."""
        self._pool.shutdown(wait=False)
        if self._channel is not None and self._channel.answers:
            with suppress(OSError):
                self._channel.send(RUNS)
        if self._channel is not None:
            self._channel.commit()

    def _take_in(self, channel: Channel) -> bool:
        """Make the guest what comes, and return whether it ran. In the thread."""
        received = 0

        def receive(size: int) -> bytes:
            nonlocal received
            received += size
            self._figures.transferred = received
            return channel.receive(size)

        reader = Reader(receive)
        running = take_in(self._machine.guest, reader)
        if channel.answers:
            channel.send(LOADED)
        if reader.read().kind is not Kind.GO:
            raise BadInput("the stream goes on where the guest should")
        return running

    def _in_thread(self, act: Callable[[], T]) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._pool, act)


def take_in(guest: Guest, reader: Reader) -> bool:
    """Make a guest that has not started the one that a stream brings; return whether that ran.

    BadInput if it doesn't bring one, or not one of this shape.
    """
    reader.begin()
    announced = Announced(reader.read())
    while (record := reader.read()).kind is Kind.IMAGE:
        announced.take(record)
    adopt(guest, announced.config(guest.config))
    guest.console.input.clear()  # nobody was there who could have read it
    state = _take_memory(guest, reader, record)
    running = state.switch("running")
    load_state(guest, state.member("guest"))
    state.done()
    if reader.read().kind is not Kind.READY:
        raise BadInput("the stream does not end with the guest's state")
    return running


def _take_memory(guest: Guest, reader: Reader, record: Record) -> Members:
    """Take RAM and the hashed page table in, up to the state, which is returned."""
    while record.kind in (Kind.PAGES, Kind.ZEROS):
        apply_pages(guest.memory, record)
        record = reader.read()
    table = bytearray(len(guest.hash_table.content))
    while record.kind is Kind.TABLE:
        end = record.number + len(record.payload)
        if end > len(table):
            raise BadInput(f"the stream has a hashed page table of {end} bytes, which is too large")
        table[record.number : end] = record.payload
        record = reader.read()
    guest.hash_table.load(table)
    if record.kind is not Kind.STATE:
        raise BadInput(f"the stream has a record of kind {record.kind.name} out of place")
    return Members(parsed("state", record.payload), "state")
