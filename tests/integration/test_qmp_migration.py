"""QMP's commands and events about migrations, through QEMU's own client."""

import asyncio

import pytest
from qemu.qmp import EventListener, ExecuteError

from papvmm.control.migration.figures import Status
from papvmm.machine.runstate import RunState
from tests.migrating import over, there
from tests.qmp import controlled
from tests.saved import booted

PARAMETERS = {"downtime-limit": 100, "max-bandwidth": 0, "max-cpu-throttle": 95}


@pytest.fixture
async def qmp(tmp_path):
    guest, _ = booted("hibernate.elf", append="rounds=0")
    async with controlled(guest, tmp_path / "control") as (_, client):
        yield client


async def test_before_any_migration_there_is_nothing_to_tell(qmp):
    assert await qmp.execute("query-migrate") == {}
    assert await qmp.execute("query-migrate-parameters") == PARAMETERS
    assert await qmp.execute("query-migrate-capabilities") == [
        {"capability": "events", "state": False},
        {"capability": "auto-converge", "state": True},
    ]


async def test_parameters_are_what_they_were_set_to(qmp):
    await qmp.execute("migrate-set-parameters", {"downtime-limit": 7, "max-bandwidth": 1 << 30})

    assert await qmp.execute("query-migrate-parameters") == PARAMETERS | {
        "downtime-limit": 7, "max-bandwidth": 1 << 30,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("migrate", {"uri": "rdma:there"}, "write unix:PATH, tcp:HOST:PORT"),
        ("migrate", {}, "'uri' is missing"),
        ("migrate", {"uri": "unix:x", "resume": True}, "no argument 'resume'"),
        ("migrate-incoming", {"uri": "unix:x"}, "no guest is awaited here"),
        ("migrate-set-parameters", {"max-cpu-throttle": 100}, "must be at most 99"),
        ("migrate-set-parameters", {"multifd-channels": 2}, "no argument 'multifd-channels'"),
        ("migrate-set-capabilities", {"capabilities": [1]}, "must be a list of"),
        ("migrate-set-capabilities", {"capabilities": [{"capability": "events"}]}, "true or false"),
        (
            "migrate-set-capabilities",
            {"capabilities": [{"capability": "xbzrle", "state": True}]},
            "there is no capability 'xbzrle'; there is events, auto-converge",
        ),
    ],
)
async def test_what_there_is_not_is_refused(qmp, command, arguments, says):
    with pytest.raises(ExecuteError, match=says):
        await qmp.execute(command, arguments)


async def test_what_qemu_has_besides_can_be_switched_off(qmp):
    off = {"capabilities": [{"capability": "postcopy-ram", "state": False}]}

    assert await qmp.execute("migrate-set-capabilities", off) == {}


async def test_cancelling_nothing_does_nothing(qmp):
    assert await qmp.execute("migrate_cancel") == {}


async def test_every_status_is_an_event_for_those_who_ask(tmp_path):
    guest, _ = booted("busy.elf", append="rounds=0")
    uri = f"unix:{tmp_path}/way"
    async with (
        controlled(guest, tmp_path / "control") as (machine, qmp),
        there(guest.config, uri) as (other, coming),
    ):
        await qmp.execute("cont")
        events = {"capabilities": [{"capability": "events", "state": True}]}
        await qmp.execute("migrate-set-capabilities", events)
        with qmp.listener(("MIGRATION", "STOP", "RESUME")) as listener:
            await qmp.execute("migrate", {"uri": uri})
            told = await until_completed(listener)
        info = await qmp.execute("query-migrate")
        assert await over(coming) is Status.COMPLETED

        assert told == ["setup", "active", "STOP", "device", "completed"]
        assert info["status"] == "completed"
        assert info["downtime"] >= 0
        assert (await qmp.execute("query-status"))["status"] == "postmigrate"
        assert (machine.run_state, other.run_state) == (RunState.POSTMIGRATE, RunState.RUNNING)
        await qmp.execute("cont")
        assert machine.run_state is RunState.RUNNING


async def until_completed(listener: EventListener):
    told = []
    async with asyncio.timeout(30):
        while "completed" not in told:
            event = await listener.get()
            told.append(event["data"].get("status", event["event"]))
    return told


async def test_a_guest_that_does_not_converge_is_slowed_down_unless_that_is_switched_off(tmp_path):
    """It changes all of its memory faster than half a megabyte a second goes away."""
    for converges in (True, False):
        guest, _ = booted("busy.elf", append="rounds=0 changes=1", vcpus=2)
        uri = f"unix:{tmp_path}/{converges}"
        async with (
            controlled(guest, tmp_path / f"control-{converges}") as (_, qmp),
            there(guest.config, uri),
        ):
            await qmp.execute("cont")
            switch = {"capability": "auto-converge", "state": converges}
            await qmp.execute("migrate-set-capabilities", {"capabilities": [switch]})
            await qmp.execute("migrate-set-parameters", {"downtime-limit": 0})
            await qmp.execute("migrate", {"uri": uri})
            throttles = set()
            info = {"status": "setup"}
            while info["status"] in ("setup", "active") and throttles <= {0}:
                info = await qmp.execute("query-migrate")
                throttles.add(info.get("cpu-throttle-percentage", 0))
            assert (throttles > {0}) == converges
            await qmp.execute("migrate_cancel")


async def test_people_send_a_guest_away_by_the_monitor(tmp_path):
    guest, _ = booted("busy.elf", append="rounds=0")
    uri = f"unix:{tmp_path}/way"
    async with controlled(guest, tmp_path / "control") as (machine, qmp):

        async def told(line):
            return (await qmp.execute("human-monitor-command", {"command-line": line})).splitlines()

        assert await told("info migrate") == []
        assert await told("migrate") == ["it takes a URI: see help"]
        assert await told(f"migrate {uri}") == ["Error: No such file or directory"]
        assert (await told("info migrate"))[0] == "Migration status: failed"
        async with there(guest.config, uri) as (_, coming):
            await qmp.execute("cont")
            assert await told(f"migrate {uri}") == []
            assert await over(coming) is Status.COMPLETED

        shown = await told("info migrate")
        assert shown[0] == "Migration status: completed"
        assert "total ram: 8192 kbytes" in shown
        assert machine.run_state is RunState.POSTMIGRATE
