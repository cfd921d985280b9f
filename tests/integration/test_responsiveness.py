"""How soon a machine does what its controller asks, while its guest never leaves by itself."""

import asyncio
import time

import pytest

from tests.guest_programs import FOREVER, guest_running
from tests.qmp import client, controlled, served

SOON = 0.05
TIMES = 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


async def test_registers_are_read_soon_after_stop_while_the_guest_spins_in_native_code(path):
    """Processor time is measured, papvmm's own: other processes may have the host meanwhile."""
    guest = guest_running(FOREVER, memory_size=64 << 20)
    spent = []
    async with controlled(guest, path) as (_, qmp):
        for _ in range(TIMES):
            await qmp.execute("cont")
            until = guest.clock.icount + 10_000_000
            while guest.clock.icount < until:
                await qmp.execute("query-status")
            begin = time.process_time()
            await qmp.execute("stop")
            await qmp.execute("human-monitor-command", {"command-line": "info registers"})
            await qmp.execute("x-papvmm-query-areas")
            spent.append(time.process_time() - begin)

    assert sorted(spent)[TIMES // 2] < SOON


async def test_a_long_listing_leaves_everybody_else_their_turn(path):
    guest = guest_running(FOREVER)
    lines = {"command-line": "xp /16384i 0"}
    async with served(guest, path), client(path) as busy, client(path) as other:
        await busy.execute("cont")
        listing = asyncio.create_task(busy.execute("human-monitor-command", lines))
        answers = 0
        while not listing.done():
            await other.execute("query-status")
            answers += 1

        assert answers > 20
        assert (await listing).count("\r\n") == 16384
