"""Whatever watches a guest, it does what it does unwatched: to the byte, and to the instruction.

One guest of several vcpus, with its turns, hypercalls and areas, runs to its end under everything
that looks at guests, stops them or takes them back in time. Its registers, memory, console and
the hypervisor's stores are the same afterwards.
"""

import asyncio
import random
from contextlib import closing

import pytest

from papvmm.control.hmp.registers import registers
from papvmm.control.metrics.address import UnixAddress
from papvmm.control.metrics.server import MetricsServer
from papvmm.control.recording.directory import record
from papvmm.digests import sha256
from papvmm.engine.watch import Watch
from papvmm.machine.history import History
from papvmm.machine.machine import Machine
from papvmm.machine.outcome import PoweredOff
from papvmm.machine.runstate import RunState
from papvmm.machine.state import capture
from papvmm.observe.instructions import PER_INSTRUCTION, narrate
from papvmm.observe.log import CLASSES, Log
from papvmm.observe.metrics import CONTENT_TYPE, Metrics
from papvmm.observe.perfetto import TraceWriter
from papvmm.observe.tracks import Tracks
from tests.qmp import controlled
from tests.rsp import debugged
from tests.saved import FOREVER, booted

SLICE = 777
VCPUS = 3
STOPS = 10
SAVES = 4
ASKED = (
    "query-status", "query-cpus-fast", "x-papvmm-query-areas", "x-papvmm-query-top",
    "x-papvmm-hv-writes",
)  # fmt: skip
HMP = ("info registers -a", "info areas", "info hv-writes", "x/8i 0x400000", "xp/16x 0x400000")
GDB_LOOKS = ("g", "qfThreadInfo", "m400000,100", "p40", "qThreadExtraInfo,p1.2", "Hgp1.2", "g")


def smp(accel):
    return booted("smp.elf", accel=accel, vcpus=VCPUS, slice_counts=SLICE)


def all_of(guest, said):
    """Return everything there is of a guest; long things as digests."""
    return {
        "state": capture(guest).digest,
        "registers": [sha256(vcpu.state.buffer[:]).hexdigest() for vcpu in guest.vcpus],
        "RAM": sha256(guest.memory.ram[:]).hexdigest(),
        "console": bytes(said),
        "stores": sha256(repr(list(guest.door.writes)).encode()).hexdigest(),
        "count": (guest.clock.count, guest.clock.icount, guest.door.count),
    }


@pytest.fixture(scope="module")
def unwatched():
    guest, said = smp("native")
    assert guest.run(FOREVER) == PoweredOff()
    return all_of(guest, said)


async def in_stretches(machine, look):
    """Run a machine to its end, and look at it at moments of no meaning to the guest."""
    draw = random.Random(4)
    while machine.run_state is not RunState.SHUTDOWN:
        machine.resume(limit=draw.choice((1, 100, SLICE, 20_000)) + draw.randrange(100))
        await machine.rest()
        await look()
    assert machine.outcome == PoweredOff()


async def nothing():
    pass


async def pauses(guest, _path):
    async with Machine(guest) as machine:
        machine.resume()
        while machine.run_state is RunState.RUNNING:
            await machine.pause()
            if machine.run_state is RunState.PAUSED:
                machine.resume()
            await asyncio.sleep(0)


async def tracing(guest, _path):
    packets = []
    async with Machine(guest) as machine:
        with closing(Tracks(guest, TraceWriter(packets.append))):
            await in_stretches(machine, nothing)
    assert sum(map(len, packets)) > 1000


async def metrics(guest, path):
    address, text = UnixAddress(str(path)), Metrics(guest).text

    async def scrape():
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /metrics HTTP/1.1\r\n\r\n")
        assert b"papvmm_instructions_total" in await reader.read()
        writer.close()

    machine = Machine(guest)
    async with machine, MetricsServer(address, machine, text, CONTENT_TYPE):
        await in_stretches(machine, scrape)


async def qmp(guest, path):
    async with controlled(guest, path) as (machine, server):

        async def ask():
            for command in ASKED:
                await server.execute(command)

        await in_stretches(machine, ask)


async def monitor(guest, path):
    async with controlled(guest, path) as (machine, server):

        async def ask():
            for line in HMP:
                await server.execute("human-monitor-command", {"command-line": line})

        await in_stretches(machine, ask)


async def gone(peer, packet):
    """Let the guest go on as a packet says, and return why it stopped, or ended."""
    reply = await peer.ask(packet)
    while reply[0] == "O":
        reply = await peer.hear()
    return reply


async def gdb(guest, path):
    draw, stops, reply = random.Random(6), 0, "T"
    where = guest.image.find("hcall")
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask(f"Z0,{where:x},4") == "OK"
        while reply[0] == "T" and (reply := await gone(peer, "vCont;c"))[0] == "T":
            stops += 1
            if stops == STOPS:
                assert await peer.ask(f"z0,{where:x},4") == "OK"
            for packet in GDB_LOOKS:
                await peer.ask(packet)
            for _ in range(draw.randrange(20)):
                if reply[0] == "T":
                    reply = await gone(peer, f"vCont;s:p1.{draw.randrange(1, VCPUS + 1):x}")
    assert reply[0] == "W"
    assert stops >= STOPS


async def watchpoints(guest, _path):
    hits = 0
    counted = Watch(guest.image.find("stage"), 8 * VCPUS)
    for vcpu in guest.vcpus:
        vcpu.engine.watchpoints.add(counted)
    async with Machine(guest) as machine:
        while machine.run_state is not RunState.SHUTDOWN:
            machine.resume()
            hits += (await machine.rest()) != PoweredOff()
    assert hits > VCPUS
    for vcpu in guest.vcpus:
        vcpu.engine.watchpoints.clear()


async def changes_of_memory(guest, _path):
    changes = guest.dirty_pages.subscribe(before=True)
    async with Machine(guest) as machine:

        async def take():
            changes.take()

        await in_stretches(machine, take)
    changes.close()


async def going_back(guest, _path):
    past, draw = History(guest), random.Random(8)
    for _ in range(10):
        guest.run(draw.randrange(1, 5000))
        there = past.position
        past.seek(draw.randrange(there.icount + 1))
        past.step_back(guest.vcpus[draw.randrange(VCPUS)])
        past.seek(there)
    past.close()
    assert guest.run(FOREVER) == PoweredOff()


async def logging(guest, _path):
    lines = []
    Log(guest, CLASSES.keys(), lines.append)
    async with Machine(guest) as machine:
        await in_stretches(machine, nothing)
    assert len(lines) > 500


async def instructions(guest, _path):
    lines = []
    narrate(guest, PER_INSTRUCTION, lines.append, registers)
    async with Machine(guest) as machine:
        await in_stretches(machine, nothing)
    assert len(lines) > guest.clock.icount


async def recording(guest, path):
    recorder = record(guest, path)
    async with Machine(guest) as machine:
        await in_stretches(machine, nothing)
        recorder.finish(machine.outcome)


async def saving(guest, path):
    """It is saved between two entries, and goes on: the saved one is another guest."""
    async with controlled(guest, path) as (machine, server):
        for _ in range(SAVES):
            machine.resume(limit=5000)
            await machine.rest()
            machine.resume()
            await machine.pause()
            await server.execute("x-papvmm-save", {"directory": f"{path}.saved"})
        machine.resume()
        assert await machine.end() == PoweredOff()


async def sent_and_kept(guest, path):
    """It migrates into a file, and goes on here all the same."""
    async with controlled(guest, path) as (machine, server):
        for part in range(SAVES):
            machine.resume(limit=5000)
            await machine.rest()
            await server.execute("cont")
            await server.execute("migrate", {"uri": f"file:{path}.{part}"})
            while (await server.execute("query-migrate"))["status"] not in ("completed", "failed"):
                pass
            if machine.run_state is RunState.SHUTDOWN:
                break
        if machine.run_state is not RunState.SHUTDOWN:
            await server.execute("cont")
        assert await machine.end() == PoweredOff()


WATCHERS = (
    pauses, tracing, metrics, qmp, monitor, gdb, watchpoints, changes_of_memory, going_back,
    logging, pytest.param(instructions, marks=pytest.mark.slow), recording, saving, sent_and_kept,
)  # fmt: skip


@pytest.mark.parametrize("accel", ["native", "python"])
@pytest.mark.parametrize("watcher", WATCHERS, ids=lambda one: one.__name__)
async def test_a_guest_that_is_watched_does_what_it_does(watcher, accel, unwatched, tmp_path):
    guest, said = smp(accel)

    await watcher(guest, tmp_path / "socket")

    assert all_of(guest, said) == unwatched
