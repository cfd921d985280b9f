"""Machines between which a guest migrates, in one process."""

import asyncio
from contextlib import asynccontextmanager

from papvmm.control.migration.figures import OVER
from papvmm.control.migration.migration import Migration
from papvmm.machine.builder import build
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState

PATIENCE = 240


@asynccontextmanager
async def here(guest, **pace):
    """Return a guest's machine, and its migrations."""
    async with Machine(guest, **pace) as machine, Migration() as migration:
        yield machine, migration


@asynccontextmanager
async def there(config, uri, **pace):
    """Return a machine like ``config`` that waits for a guest, and its migrations."""
    async with here(build(config), **pace) as (machine, migration):
        machine.move(RunState.INMIGRATE)
        migration.expect(machine, str(uri))
        yield machine, migration


async def over(migration):
    """Wait until a migration is over; return its status."""
    return await become(migration, *OVER)


async def become(migration, *statuses):
    """Wait until a migration is at one of the statuses; return which."""
    there = asyncio.Event()
    migration.on_status.append(lambda status: status in statuses and there.set())
    if migration.figures.status not in statuses:
        async with asyncio.timeout(PATIENCE):
            await there.wait()
    return migration.figures.status


async def moved(guest, uri):
    """Send a guest, wherever it is in its life, to another machine; return it as it is there.

    It does not go on.
    """
    async with here(guest) as (machine, leaving), there(guest.config, uri) as (other, coming):
        leaving.send(machine, str(uri))
        await over(leaving)
        await over(coming)
        return other.guest
