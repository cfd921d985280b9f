"""A debugger has what it asks for soon, while a guest spins in native code."""

import asyncio
import time

from tests.guests.gdb import waiting
from tests.rsp import peer_at
from tests.shell import IMAGES

SPINNING = ("-append", "fib n=1000000000", "-m", "32")
ENOUGH = 60.0
"""Seconds until the engine must be native, even where nothing is kept from earlier runs."""
READABLE = 0.050
BACK = 0.200


async def interrupted(peer):
    """Return how many seconds the registers took of a guest that ran."""
    peer.say("c")
    await asyncio.sleep(0.005)
    begin = time.perf_counter()
    peer.interrupt()
    assert (await peer.hear()).startswith("T02")
    await peer.ask("g")
    return time.perf_counter() - begin


async def stepped_back(peer):
    """Return how many seconds a step back took, of a guest that has run on."""
    await interrupted(peer)
    begin = time.perf_counter()
    assert (await peer.ask("bs")).startswith("T05")
    return time.perf_counter() - begin


async def median_soon(least, measure):
    """Measure until the median of eleven is short enough: compilers come to their end."""
    until = time.monotonic() + ENOUGH
    while sorted([await measure() for _ in range(11)])[5] > least:
        if time.monotonic() > until:
            return False
    return True


async def test_registers_and_steps_back_come_in_time(tmp_path):
    path = tmp_path / "gdb"
    with waiting(IMAGES / "bench-be.elf", path, *SPINNING):
        async with peer_at(path) as peer:
            assert await median_soon(READABLE, lambda: interrupted(peer))
            assert await median_soon(BACK, lambda: stepped_back(peer))
