"""What QMP's clients do to a machine, and what it tells them of its guest's doings."""

import asyncio

import pytest
from qemu.qmp import ExecuteError

from papvmm.control.qmp.area_events import PAUSE, Seldom
from papvmm.isa.msr import MSR_DR, MSR_EE, MSR_IR
from papvmm.isa.state import CIA, MSR, SRR0
from papvmm.machine.config import AreasOnReset, OnPanic, OnShutdown
from papvmm.machine.missing import MOST
from papvmm.papr.hcall import PROBED, Hcall
from tests.guest_programs import BUFFER, FOREVER, guest_calling, guest_running, hcall
from tests.qmp import controlled

SAYING = BUFFER + 0x100
NMI_HANDLER = 0x100
VPA = 0x8000
UNKNOWN = 0x7FFC


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy(**config):
    return guest_running(FOREVER, slice_counts=10_000, **config)


def panicking(**config):
    """A guest that reports a panic, and goes on if it can."""
    guest = guest_calling("ibm,os-term", nargs=1, **config)
    guest.memory.store_be(BUFFER + 12, 4, SAYING)
    guest.memory.write(SAYING, b"out of tea\0")
    return guest


async def told(qmp, count):
    """Return the names and data of the next events."""
    events = [await asyncio.wait_for(qmp.events.get(), 10) for _ in range(count)]
    return [(event["event"], event["data"]) for event in events]


@pytest.mark.parametrize(
    ("action", "called", "then", "status"),
    [
        (OnPanic.SHUTDOWN, "poweroff", ("SHUTDOWN", {"guest": True, "reason": "guest-panic"}),
         {"running": False, "status": "shutdown"}),
        (OnPanic.PAUSE, "pause", ("STOP", {}), {"running": False, "status": "guest-panicked"}),
    ],
)  # fmt: skip
async def test_a_panic_is_an_event_and_ends_or_pauses_the_machine(
    path, action, called, then, status
):
    async with controlled(panicking(on_panic=action), path) as (_, qmp):
        await qmp.execute("cont")

        assert await told(qmp, 3) == [
            ("RESUME", {}),
            ("GUEST_PANICKED", {"action": called, "x-papvmm-message": "out of tea"}),
            then,
        ]
        assert await qmp.execute("query-status") == status


async def test_a_panic_may_be_left_to_the_guest(path):
    async with controlled(panicking(), path) as (machine, qmp):
        assert await qmp.execute("set-action", {"panic": "none"}) == {}
        await qmp.execute("cont")

        assert (await told(qmp, 2))[1][1]["action"] == "run"
        assert (await qmp.execute("query-status"))["running"]
        assert machine.guest.memory.load_be(BUFFER + 16, 4) == 0


async def test_a_power_off_may_pause(path):
    guest = guest_calling("power-off", nargs=2, on_shutdown=OnShutdown.PAUSE)
    async with controlled(guest, path) as (_, qmp):
        await qmp.execute("cont")

        assert await told(qmp, 3) == [
            ("RESUME", {}), ("SHUTDOWN", {"guest": True, "reason": "guest-shutdown"}), ("STOP", {}),
        ]  # fmt: skip
        assert (await qmp.execute("query-status"))["status"] == "shutdown"


async def test_what_a_reset_does_is_changed_while_the_guest_is_there(path):
    async with controlled(guest_calling("system-reboot"), path) as (_, qmp):
        await qmp.execute("set-action", {"reboot": "shutdown", "watchdog": "none"})
        await qmp.execute("cont")

        assert (await told(qmp, 2))[1] == ("SHUTDOWN", {"guest": True, "reason": "guest-reset"})


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"reboot": "none"}, "'reboot' must be one of reset, shutdown, pause"),
        ({"shutdown": "reset"}, "'shutdown' must be one of poweroff, pause"),
        ({"panic": "exit"}, "'panic' must be one of shutdown, pause, none"),
        ({"watchdog": "reset"}, "no watchdog"),
    ],
)
async def test_actions_that_are_none_are_refused(path, arguments, why):
    async with controlled(busy(), path) as (machine, qmp):
        before = machine.guest.config

        with pytest.raises(ExecuteError, match=why):
            await qmp.execute("set-action", arguments)

        assert machine.guest.config == before


async def test_an_nmi_is_a_system_reset_interrupt_on_every_vcpu_that_has_started(path):
    """By Power ISA v3.0B, Book III, 6.5.1: SRR0 is where it was, and EE, IR and DR are off."""
    guest = busy(vcpus=3)
    running, ceding, stopped = guest.vcpus
    guest.memory.store_be(NMI_HANDLER, 4, 0x4800_0000)
    ceding.start(0x2000, 0)
    ceding.cede()
    running.state.write(MSR, running.state.read(MSR) | MSR_EE)
    async with controlled(guest, path) as (_, qmp):
        await qmp.execute("cont")
        await qmp.execute("inject-nmi")
        await qmp.execute("stop")

    for vcpu, interrupted_at in ((running, (0x1000, 0x1004)), (ceding, (0x2000,))):
        assert vcpu.state.read(CIA) == NMI_HANDLER
        assert vcpu.state.read(SRR0) in interrupted_at
        assert vcpu.state.read(MSR) & (MSR_EE | MSR_IR | MSR_DR) == 0
    assert stopped.state.read(CIA) == 0


@pytest.mark.parametrize("command", ["system_powerdown", "system_wakeup"])
async def test_what_the_guest_can_not_be_asked_is_an_error(path, command):
    async with controlled(busy(), path) as (_, qmp):
        with pytest.raises(ExecuteError):
            await qmp.execute(command)


async def test_memory_is_read_and_written_by_either_kind_of_address(path):
    async with controlled(busy(), path) as (machine, qmp):
        await qmp.execute("cont")
        await qmp.execute("x-papvmm-memory-write", {"gpa": 0x4FFE, "data": "c0ffee"})
        await qmp.execute("x-papvmm-memory-write", {"ea": 0xC000_0000_0000_5001, "data": "07"})

        by_gpa = await qmp.execute("x-papvmm-memory-read", {"gpa": 0x4FFE, "length": 4})
        by_ea = await qmp.execute("x-papvmm-memory-read", {"ea": 0x4FFE, "length": 4})

        assert by_gpa == by_ea == {"data": "c0ffee07"}
        assert machine.guest.memory.read(0x4FFE, 4) == b"\xc0\xff\xee\x07"


@pytest.mark.parametrize(
    ("command", "arguments", "why"),
    [
        ("read", {"gpa": 0, "length": (1 << 18) + 1}, "at most 262144"),
        ("read", {"length": 1}, "either 'gpa' or 'ea'"),
        ("read", {"gpa": 1, "ea": 1, "length": 1}, "either 'gpa' or 'ea'"),
        ("read", {"gpa": (1 << 20) - 1, "length": 2}, "outside guest RAM"),
        ("read", {"ea": 1 << 59, "length": 2}, "no guest RAM at effective address 0x8"),
        ("write", {"data": "00"}, "either 'gpa' or 'ea'"),
        ("write", {"gpa": (1 << 20) - 1, "data": "0000"}, "outside guest RAM"),
        ("write", {"ea": (1 << 20) - 1, "data": "0000"}, "no guest RAM"),
        ("write", {"gpa": 0, "data": "0"}, "in hexadecimal"),
        ("write", {"gpa": 0, "data": "00", "vcpu": 1}, "no vcpu 1"),
    ],
)
async def test_memory_that_is_not_there_is_an_error(path, command, arguments, why):
    async with controlled(busy(), path) as (machine, qmp):
        before = machine.guest.memory.ram.tobytes()

        with pytest.raises(ExecuteError, match=why):
            await qmp.execute(f"x-papvmm-memory-{command}", arguments)

        assert machine.guest.memory.ram.tobytes() == before


async def test_names_that_a_guest_makes_up_have_an_end(path):
    every_token = "addis 11,0,1; addi 11,11,4; mr 3,11; sc 1; b -12"
    guest = guest_running(every_token)
    async with controlled(guest, path) as (machine, qmp):
        machine.resume(limit=4 * (MOST + 500))
        await machine.rest()
        found = await qmp.execute("x-papvmm-query-missing")
        names = []
        while not qmp.events.empty():
            names.append((await qmp.events.get())["event"])

    assert len(found) == MOST
    assert names.count("X_PAPVMM_NOT_PROVIDED") == MOST


async def test_what_is_asked_for_in_vain_is_told_once_and_counted(path):
    (probed, *_) = PROBED
    guest = guest_running(f"li 8,3; mtctr 8; {hcall(UNKNOWN)}; bdnz -8; {hcall(probed)}; {FOREVER}")
    async with controlled(guest, path) as (_, qmp):
        await qmp.execute("cont")
        events = await told(qmp, 3)
        found = await qmp.execute("x-papvmm-query-missing")

    assert [name for name, _ in events[1:]] == ["X_PAPVMM_NOT_PROVIDED"] * 2
    assert events[1][1]["name"] == "0x7ffc"
    assert [(one["kind"], one["name"], one["count"], one["expected"]) for one in found] == [
        ("hypercall", "0x7ffc", 3, False), ("hypercall", PROBED[probed], 1, True),
    ]  # fmt: skip
    assert (found[0]["cia"], found[0]["vcpu"]) == (0x100C, 0)


async def test_registrations_and_the_corruption_are_events(path):
    guest = busy(areas_on_reset=AreasOnReset.KEEP)
    async with controlled(guest, path) as (_, qmp):
        value = {"vcpu": 0, "id": "VPA_ADDR"}
        await qmp.execute("x-papvmm-one-reg-set", value | {"value": VPA})
        await qmp.execute("cont")
        await qmp.execute("stop")
        await qmp.execute("system_reset")
        await qmp.execute("cont")
        events = await told(qmp, 6)
        await qmp.execute("stop")
        await qmp.execute("x-papvmm-one-reg-set", value | {"value": 0})
        while events[-1][0] != "X_PAPVMM_VPA_UNREGISTERED":
            events += await told(qmp, 1)

    registered = next(data for name, data in events if name == "X_PAPVMM_VPA_REGISTERED")
    stale = [data for name, data in events if name == "X_PAPVMM_VPA_STALE_WRITE"]
    assert (registered["gpa"], registered["area"], registered["door"]) == (VPA, "VPA", "ONE_REG")
    assert stale[0]["registration"]["number"] == registered["number"]
    assert stale[0]["generation"] == 1
    assert (events[-1][1]["vcpu"], events[-1][1]["area"]) == (0, "VPA")


async def test_older_stores_are_read_a_page_at_a_time(path):
    guest = guest_running(f"{hcall(Hcall.H_GET_TERM_CHAR)}; b -8", slice_counts=10_000)
    areas = guest.vcpus[0].areas
    areas.put(areas.vpa.kind, VPA, 0)
    guest.run(4000)
    async with controlled(guest, path) as (_, qmp):
        everything = await qmp.execute("x-papvmm-hv-writes", {"limit": 1000})
        pages, before = [], None
        while before != 0:
            arguments = {"limit": 300} | ({} if before is None else {"before": before})
            page = (await qmp.execute("x-papvmm-hv-writes", arguments))["writes"]
            pages.append(page)
            before = page[0]["number"]

    total = everything["total"]
    assert total > 600
    numbers = [write["number"] for page in reversed(pages) for write in page]
    assert numbers == list(range(total))
    assert everything["writes"] == [write for page in reversed(pages) for write in page][-1000:]


def test_what_goes_on_and_on_is_told_seldom():
    times = iter((0.0, 0.1, PAUSE - 0.1, PAUSE, PAUSE + 0.1, 3 * PAUSE))
    seldom = Seldom(now=lambda: next(times))

    assert [seldom.passes("a") for _ in range(6)] == [0, None, None, 2, None, 1]
