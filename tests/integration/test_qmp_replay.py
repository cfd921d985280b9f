"""Going back in a guest's history by QMP."""

import pytest
from qemu.qmp import ExecuteError

from papvmm.isa.state import CIA, GPR
from tests.guest_programs import FOREVER, guest_running
from tests.qmp import controlled


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy():
    return guest_running(FOREVER, slice_counts=10_000)


async def monitor(qmp, line):
    return await qmp.execute("human-monitor-command", {"command-line": line})


async def run_on(qmp, guest, count):
    until = guest.clock.icount + count
    await qmp.execute("cont")
    while guest.clock.icount < until:
        await qmp.execute("query-replay")
    await qmp.execute("stop")


async def test_without_a_history_there_is_no_way_back(path):
    async with controlled(busy(), path) as (_, qmp):
        assert await qmp.execute("query-replay") == {"mode": "none", "icount": 0}
        assert await monitor(qmp, "info replay") == "Record/replay is not active\r\n"
        with pytest.raises(ExecuteError, match="no history is kept"):
            await qmp.execute("replay-seek", {"icount": 0})


async def test_a_guest_goes_to_any_moment_of_its_history(path):
    """The program adds one to r10 with each second instruction."""
    guest = busy()
    state = guest.vcpus[0].state
    async with controlled(guest, path) as (_, qmp):
        await run_on(qmp, guest, 1000)
        begin = (await qmp.execute("x-papvmm-keep-history"))["begin"]
        await run_on(qmp, guest, 100_000)
        end = guest.clock.icount
        for icount in (begin + 5001, begin + 5000, begin + 77_777, begin):
            await qmp.execute("replay-seek", {"icount": icount})

            assert (state.read(GPR, 10), state.read(CIA)) == (
                (icount + 1) // 2,
                4 * (icount % 2) + 0x1000,
            )
            assert await qmp.execute("query-replay") == {"mode": "play", "icount": icount}
        told = await monitor(qmp, "info history")
        await monitor(qmp, f"replay_seek {end:,}")
        at_end = await qmp.execute("query-replay")
        with pytest.raises(ExecuteError, match="history begins"):
            await qmp.execute("replay-seek", {"icount": begin - 1})

    assert told.startswith(f"Replaying; current step is {begin:,}\r\n")
    assert f"history: @ {begin:,} to @ {end:,}" in told
    assert at_end == {"mode": "record", "icount": end}


async def test_a_guest_that_has_gone_back_goes_on_from_there(path):
    guest = busy()
    async with controlled(guest, path) as (_, qmp):
        await qmp.execute("x-papvmm-keep-history")
        await run_on(qmp, guest, 50_000)
        end = guest.clock.icount
        await qmp.execute("replay-seek", {"icount": 10})

        await run_on(qmp, guest, end)

        assert (await qmp.execute("query-replay"))["mode"] == "record"
        assert guest.vcpus[0].state.read(GPR, 10) == (guest.clock.icount + 1) // 2
