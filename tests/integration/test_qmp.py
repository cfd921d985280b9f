"""The control socket as its clients see it; the client is qemu.qmp, QEMU's own."""

import asyncio

import pytest
from qemu.qmp import ExecuteError

from papvmm.machine.config import AreasOnReset
from papvmm.machine.outcome import Quit
from papvmm.machine.runstate import RunState
from tests.guest_programs import FOREVER, guest_running
from tests.qmp import client, controlled, served
from tests.saved import booted

VPA = 0x8000
DTL = 0x9000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy(**config):
    return guest_running(FOREVER, slice_counts=10_000, **config)


async def next_event(qmp):
    return await asyncio.wait_for(qmp.events.get(), 5)


async def refusal(execution):
    with pytest.raises(ExecuteError) as refused:
        await execution
    return refused.value


async def test_versions_names_and_commands(path):
    async with served(busy(), path, name="toy"), client(path) as qmp:
        version = await qmp.execute("query-version")
        commands = {one["name"] for one in await qmp.execute("query-commands")}

        assert qmp.greeting.QMP.capabilities == ["oob"]
        assert version["package"].startswith("papvmm-")
        assert await qmp.execute("query-name") == {"name": "toy"}
        assert commands >= {"qmp_capabilities", "query-status", "x-papvmm-one-reg-set"}


async def test_the_status_follows_cont_and_stop(path):
    async with controlled(busy(), path) as (_, qmp):
        seen = [await qmp.execute("query-status")]
        for command in ("cont", "cont", "stop", "stop", "cont"):
            assert await qmp.execute(command) == {}
            seen.append(await qmp.execute("query-status"))

        assert [status["status"] for status in seen] == [
            "prelaunch", "running", "running", "paused", "paused", "running",
        ]  # fmt: skip
        assert [status["running"] for status in seen] == [False, True, True, False, False, True]


async def test_stop_and_cont_are_events_for_every_client(path):
    async with controlled(busy(), path) as (_, first), client(path) as second:
        await first.execute("cont")
        await first.execute("stop")

        for qmp in (first, second):
            assert [(await next_event(qmp))["event"] for _ in range(2)] == ["RESUME", "STOP"]


async def test_a_reset_is_an_event_that_says_who_asked(path):
    async with controlled(busy(), path) as (machine, qmp):
        await qmp.execute("cont")
        await next_event(qmp)

        await qmp.execute("system_reset")

        reset = await next_event(qmp)
        assert reset["event"] == "RESET"
        assert reset["data"] == {"guest": False, "reason": "host-qmp-system-reset"}
        assert reset["timestamp"].keys() == {"seconds", "microseconds"}
        assert machine.guest.door.generation == 1


async def test_what_the_guest_does_to_the_machine_is_its_doing(path):
    kernel_b = booted("kernel-b.elf")[0].config.kernel
    guest, _ = booted("kernel-a.elf", next_kernels=(kernel_b,))
    async with controlled(guest, path) as (_, qmp):
        await qmp.execute("cont")

        told = []
        while not told or told[-1]["event"] != "SHUTDOWN":
            told.append(await next_event(qmp))
        told = [event for event in told if not event["event"].startswith("X_PAPVMM")]

        assert [(event["event"], event.get("data")) for event in told] == [
            ("RESUME", {}),
            ("RESET", {"guest": True, "reason": "guest-reset"}),
            ("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}),
        ]


async def test_quit_answers_tells_and_ends(path):
    async with controlled(busy(), path) as (machine, qmp):
        await qmp.execute("cont")
        await next_event(qmp)

        assert await qmp.execute("quit") == {}

        shutdown = await next_event(qmp)
        assert (shutdown["event"], shutdown["data"]) == (
            "SHUTDOWN",
            {"guest": False, "reason": "host-qmp-quit"},
        )
        assert await machine.end() == Quit("host-qmp-quit")


async def test_vcpus_are_listed(path):
    async with controlled(busy(vcpus=2, cpu="power8_v2.0"), path) as (_, qmp):
        vcpus = await qmp.execute("query-cpus-fast")

        assert [vcpu["cpu-index"] for vcpu in vcpus] == [0, 1]
        assert {vcpu["target"] for vcpu in vcpus} == {"ppc64"}
        assert {vcpu["qom-type"] for vcpu in vcpus} == {"power8_v2.0-powerpc64-cpu"}


async def test_objects_are_found_from_the_root_on(path):
    async with controlled(busy(vcpus=2), path) as (_, qmp):
        root = await qmp.execute("qom-list", {"path": "/"})
        machine = await qmp.execute("qom-list", {"path": "/machine"})
        (_, second) = await qmp.execute("query-cpus-fast")
        kind = {"path": second["qom-path"], "property": "type"}

        assert {"name": "machine", "type": "child<pseries-machine>"} in root
        assert {"name": "vcpu[1]", "type": "child<power9_v2.2-powerpc64-cpu>"} in machine
        assert await qmp.execute("qom-get", kind) == second["qom-type"]
        for wrong in ({"path": "/nothing"}, kind | {"property": "colour"}):
            await refusal(qmp.execute("qom-get", {"property": "type"} | wrong))


async def test_a_register_is_set_and_got_by_name_and_by_number(path):
    async with controlled(busy(), path) as (_, qmp):
        await qmp.execute("cont")
        by_name = {"vcpu": 0, "id": "KVM_REG_PPC_VPA_ADDR"}
        by_number = {"vcpu": 0, "id": 0x1040_0000_0000_0084}

        await qmp.execute("x-papvmm-one-reg-set", by_name | {"value": VPA})
        await qmp.execute("x-papvmm-one-reg-set", by_number | {"value": [DTL, 100]})

        assert await qmp.execute("x-papvmm-one-reg-get", by_name) == {"value": [VPA]}
        assert await qmp.execute("x-papvmm-one-reg-get", by_number) == {"value": [DTL, 96]}


@pytest.mark.parametrize(
    ("arguments", "errno"),
    [
        ({"id": "VPA_ADDR", "value": [VPA + 1]}, "EINVAL"),
        ({"id": "VPA_SLB", "value": [VPA, 640]}, "EINVAL"),
        ({"id": "VPA_DTL", "value": [DTL]}, "EINVAL"),
        ({"id": "VPA_ADDR", "value": [VPA, 640]}, "EINVAL"),
        ({"id": 0x1030_0000_0000_FFFF, "value": [0]}, "EINVAL"),
        ({"id": "NO_SUCH_REGISTER", "value": [0]}, "EINVAL"),
    ],
)
async def test_what_one_reg_refuses_names_the_errno(path, arguments, errno):
    async with controlled(busy(), path) as (_, qmp):
        error = await refusal(qmp.execute("x-papvmm-one-reg-set", {"vcpu": 0} | arguments))

        assert error.error_class == "GenericError"
        assert str(error).startswith(f"{errno}: ")


async def test_a_vcpu_that_is_not_there_is_an_error(path):
    async with controlled(busy(), path) as (_, qmp):
        error = await refusal(qmp.execute("x-papvmm-one-reg-get", {"vcpu": 1, "id": "DEC_EXPIRY"}))

        assert "vcpu 1" in str(error)


async def test_the_areas_and_the_stores_into_them_are_told(path):
    async with controlled(busy(), path) as (_, qmp):
        for name, value in (("VPA_ADDR", [VPA]), ("VPA_DTL", [DTL, 96])):
            await qmp.execute("x-papvmm-one-reg-set", {"vcpu": 0, "id": name, "value": value})
        (before,) = await qmp.execute("x-papvmm-query-areas")
        await qmp.execute("cont")
        await qmp.execute("stop")

        (after,) = await qmp.execute("x-papvmm-query-areas")
        told = await qmp.execute("x-papvmm-hv-writes", {"field": "lppaca.yield_count", "limit": 1})

        assert before["vpa"]["requested"] == {"gpa": VPA, "length": 640}
        assert (before["vpa"]["pending"], before["vpa"]["pinned"]) == (True, None)
        assert after["vpa"]["pinned"]["gpa"] == VPA
        assert after["vpa"]["pinned"]["registration"]["door"] == "ONE_REG"
        assert after["yield-count"] % 2 == 1
        assert after["dtl"]["index"] >= 1
        (write,) = told["writes"]
        assert (write["gpa"], write["actor"], write["stale"]) == (VPA + 0x100, "exit", False)
        assert int(write["new"], 16) == int(write["old"], 16) + 1 == after["yield-count"]
        assert told["total"] > 1


async def test_stores_after_a_reset_that_kept_the_areas_are_stale(path):
    guest = busy(areas_on_reset=AreasOnReset.KEEP)
    async with controlled(guest, path) as (_, qmp):
        value = {"vcpu": 0, "id": "VPA_ADDR", "value": [VPA]}
        await qmp.execute("x-papvmm-one-reg-set", value)
        await qmp.execute("cont")
        await qmp.execute("stop")
        fresh = await qmp.execute("x-papvmm-hv-writes", {"stale": True})
        await qmp.execute("system_reset")
        await qmp.execute("cont")
        await qmp.execute("stop")

        stale = await qmp.execute("x-papvmm-hv-writes", {"stale": True})
        elsewhere = await qmp.execute("x-papvmm-hv-writes", {"gpa": VPA + 0x104, "length": 4})

        assert fresh["writes"] == []
        assert {write["gpa"] for write in stale["writes"]} >= {VPA + 0x100}
        assert {write["generation"] for write in stale["writes"]} == {1}
        assert elsewhere["writes"] == []


async def test_a_guest_that_waits_for_ever_still_answers(path):
    guest = busy()
    guest.vcpus[0].stop()
    guest.scheduler.clear()
    async with controlled(guest, path) as (machine, qmp):
        await qmp.execute("cont")
        await asyncio.sleep(0)

        got = await qmp.execute("x-papvmm-one-reg-get", {"vcpu": 0, "id": "HIOR"})

        assert got == {"value": [0]}
        assert machine.run_state is RunState.RUNNING
