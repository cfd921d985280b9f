"""Live migration: what a guest can see of it, and who runs it, whatever happens."""

import asyncio
import os
import random
import socket
from contextlib import AsyncExitStack

import pytest

from papvmm.control.migration.figures import Status
from papvmm.machine.builder import build
from papvmm.machine.outcome import PoweredOff, Quit
from papvmm.machine.runstate import RunState
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running
from tests.integration.test_host_clock import happens
from tests.migrating import become, here, moved, over, there
from tests.saved import FOREVER, booted, changed, listened_to, registers, run_to_exit

TRIPS = 3
"""tools/migrations makes as many as you like, between processes."""


@pytest.fixture
def uri(tmp_path):
    return f"unix:{tmp_path}/socket"


async def test_a_guest_without_areas_goes_on_to_the_same_registers(uri):
    guest = guest_running(f"li 20,500; addi 20,20,1; darn 22,1; mfspr 23,268; {SPIN}", vcpus=2)
    guest.console.feed(b"keys")
    run_to_exit(guest, 3_000)

    copy = await moved(guest, uri)

    assert copy.config == guest.config
    assert copy.run(20_000) == guest.run(20_000)
    assert registers(copy) == registers(guest)
    assert changed(guest, copy) == set()
    assert copy.console.read(16) == guest.console.read(16) == b"keys"


async def test_a_guest_sees_its_areas_registered_anew(uri):
    guest, _ = booted("hibernate.elf", vcpus=2)
    run_to_exit(guest, 400_000)
    copy = await moved(guest, uri)
    said = listened_to(copy)

    assert copy.run(FOREVER) == PoweredOff()

    assert b"hibernate: resumed, log restarted, memory intact" in said
    assert b"hibernate: 2 of 2 cpus were resumed, memory intact" in said


class Listener:
    """Takes what a guest says; ``lines(count)`` waits until it has said so many."""

    def __init__(self):
        self.said = bytearray()
        self.more = asyncio.Event()

    def __call__(self, characters):
        self.said += characters
        self.more.set()

    async def lines(self, count):
        while self.said.count(b"\n") < count:
            self.more.clear()
            await self.more.wait()


async def test_a_guest_that_runs_meanwhile_says_what_it_would_have_said(uri):
    """The sums of all pages that it finds, from the first round to the last."""
    busy = {"vcpus": 2, "append": "rounds=0 steps=1024"}
    straight, would_say = booted("busy.elf", **busy)
    guest, _ = booted("busy.elf", **busy)
    listener = guest.console.output = Listener()

    async with here(guest) as (machine, leaving), there(guest.config, uri) as (other, _):
        other.guest.console.output = listener
        machine.resume()
        await listener.lines(4)
        leaving.send(machine, uri)
        assert await over(leaving) is Status.COMPLETED
        assert machine.run_state is RunState.POSTMIGRATE
        await listener.lines(listener.said.count(b"\n") + 10)
    while len(would_say) < len(listener.said):
        straight.run(1_000_000)

    assert listener.said == would_say[: len(listener.said)]
    assert guest.clock.count < other.guest.clock.count


async def test_wherever_a_guest_has_been_its_memory_is_as_it_left_it(tmp_path):
    """There and back at random instants; the hypervisor stores into its areas meanwhile, too."""
    chance, busy = random.Random(1), {"vcpus": 2, "append": "rounds=0 steps=512"}
    straight, would_say = booted("busy.elf", **busy)
    guest, _ = booted("busy.elf", **busy)
    listener = guest.console.output = Listener()
    async with AsyncExitStack() as stack:
        machine, leaving = await stack.enter_async_context(here(guest))
        machine.resume()
        for number in range(2 * TRIPS):
            uri = f"unix:{tmp_path}/{number}"
            other, coming = await stack.enter_async_context(there(guest.config, uri))
            other.guest.console.output = listener
            await listener.lines(listener.said.count(b"\n") + 1)
            await asyncio.sleep(chance.uniform(0, 0.01))
            leaving.send(machine, uri)
            assert await over(leaving) is Status.COMPLETED
            machine.quit("left")
            machine, leaving = other, coming
        await listener.lines(listener.said.count(b"\n") + 5)
    while len(would_say) < len(listener.said):
        straight.run(1_000_000)

    assert listener.said == would_say[: len(listener.said)]
    assert b" 0 pages wrong" in listener.said


async def test_whatever_brings_it_brings_all_of_it(tmp_path):
    guest, _ = booted("smp.elf", vcpus=2)
    run_to_exit(guest, 20_000)

    copies = []
    for uri in (f"file:{tmp_path}/one", f"exec:cat > {tmp_path}/two"):
        async with here(guest) as (machine, leaving):
            leaving.send(machine, uri)
            assert await over(leaving) is Status.COMPLETED
    for uri in (f"file:{tmp_path}/one", f"exec:cat {tmp_path}/two"):
        async with there(guest.config, uri) as (other, coming):
            assert await over(coming) is Status.COMPLETED
            copies.append(other.guest)

    assert [registers(copy) for copy in copies] == [registers(guest)] * 2
    assert [changed(copy, guest) for copy in copies] == [set()] * 2
    assert sorted(os.listdir(tmp_path)) == ["one", "two"]


async def test_tcp_of_this_host_alone(unused_port):
    guest, _ = booted("smp.elf", vcpus=2)
    run_to_exit(guest, 20_000)

    copy = await moved(guest, f"tcp::{unused_port}")

    assert registers(copy) == registers(guest)


@pytest.fixture
def unused_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


async def test_a_guest_stays_where_nobody_waits_for_it(uri):
    guest, _ = booted("busy.elf", append="rounds=0")
    async with here(guest) as (machine, leaving):
        machine.resume()
        leaving.send(machine, uri)

        assert await over(leaving) is Status.FAILED
        assert leaving.figures.error == "No such file or directory"
        assert machine.run_state is RunState.RUNNING


async def test_a_guest_that_is_called_back_runs_on_and_nobody_else_runs_it(uri):
    guest, _ = booted("busy.elf", append="rounds=0")
    async with here(guest) as (machine, leaving), there(guest.config, uri) as (other, coming):
        machine.resume()
        leaving.parameters.max_bandwidth = 1_000_000
        leaving.send(machine, uri)
        await become(leaving, Status.ACTIVE)
        leaving.cancel()

        assert await over(leaving) is Status.CANCELLED
        assert machine.run_state is RunState.RUNNING
        assert await over(coming) is Status.FAILED
        assert await other.end() == Quit("migration")


@pytest.mark.parametrize("answer", [b"", b"nonsense!", b"loaded\n"])
async def test_without_the_right_answers_a_guest_stays_unless_it_was_told_to_go(uri, answer):
    """Whoever listens takes everything, answers, and hangs up."""
    guest, _ = booted("hibernate.elf", append="rounds=0")

    async def take(reader, writer):
        data = b""
        while b'"guest"' not in data:
            data += await reader.read(1 << 20)
        writer.write(answer)
        writer.write_eof()
        if b"loaded" in answer:
            await reader.read()
        writer.close()

    path = uri.removeprefix("unix:")
    async with await asyncio.start_unix_server(take, path), here(guest) as (machine, leaving):
        machine.resume()
        leaving.send(machine, uri)

        assert await over(leaving) is Status.FAILED
        stays = machine.run_state is RunState.RUNNING
        assert stays == (b"loaded" not in answer)
        assert stays or machine.run_state is RunState.POSTMIGRATE


async def test_a_machine_of_another_shape_is_told_which_to_be(uri):
    guest, _ = booted("smp.elf")
    async with (
        here(guest) as (machine, leaving),
        there(guest.config.replace(memory_size=16 << 20), uri) as (_, coming),
    ):
        leaving.send(machine, uri)

        assert await over(leaving) is Status.FAILED
        assert await over(coming) is Status.FAILED
        assert coming.figures.error.endswith(
            "has 8 MiB of RAM, this machine 16: start it with -m 8"
        )
        machine.resume()
        assert machine.run_state is RunState.RUNNING


async def test_a_reset_afterwards_loads_the_kernel_that_came_along(uri):
    kernel_b = booted("kernel-b.elf")[0].config.kernel
    guest, _ = booted("kernel-a.elf", next_kernels=(kernel_b,))
    run_to_exit(guest, 20_000)
    shape = guest.config.replace(kernel=None, next_kernels=())
    async with here(guest) as (machine, leaving), there(shape, uri) as (other, _):
        leaving.send(machine, uri)
        assert await over(leaving) is Status.COMPLETED
    said = listened_to(other.guest)

    assert other.guest.run(FOREVER) == PoweredOff()

    assert b"kernel B: memory intact" in said


async def test_keys_typed_before_the_guest_is_there_are_lost(uri):
    guest, _ = booted("smp.elf")
    other = build(guest.config)
    other.console.feed(b"too early")
    async with here(guest) as (machine, leaving), here(other) as (other_machine, coming):
        other_machine.move(RunState.INMIGRATE)
        coming.expect(other_machine, uri)
        leaving.send(machine, uri)
        assert await over(leaving) is Status.COMPLETED

    assert other.console.read(16) == b""


async def test_a_guest_that_was_paused_meanwhile_stays_paused_wherever_it_is(uri):
    guest, _ = booted("busy.elf", append="rounds=0")
    async with here(guest) as (machine, leaving), there(guest.config, uri) as (other, coming):
        machine.resume()
        leaving.parameters.max_bandwidth = 1_000_000
        leaving.send(machine, uri)
        await become(leaving, Status.ACTIVE)
        await machine.pause()

        assert await over(leaving) is Status.COMPLETED
        assert await over(coming) is Status.COMPLETED
        assert other.run_state is RunState.PAUSED


async def test_a_guest_that_is_called_back_while_it_is_held_is_not_stopped_later(uri):
    """Its console is full, so that it can't leave the guest to be stopped."""
    guest, _ = booted("busy.elf", append="rounds=0")
    async with here(guest) as (machine, leaving), there(guest.config, uri):
        machine.resume()
        leaving.parameters.downtime_limit = 2_000_000
        leaving.send(machine, uri)
        await become(leaving, Status.ACTIVE)
        machine.hold(held=True, by="output")
        assert await happens(lambda: leaving.figures.passes)
        leaving.cancel()
        assert await over(leaving) is Status.CANCELLED

        before = guest.clock.icount
        machine.hold(held=False, by="output")
        await machine.between_entries(lambda: None)
        assert machine.run_state is RunState.RUNNING
        assert guest.clock.icount >= before


async def test_by_a_pair_of_sockets(tmp_path):
    guest, _ = booted("smp.elf", vcpus=2)
    run_to_exit(guest, 20_000)
    mine, theirs = socket.socketpair()
    async with (
        here(guest) as (machine, leaving),
        there(guest.config, f"fd:{theirs.detach()}") as (other, _),
    ):
        leaving.send(machine, f"fd:{mine.detach()}")
        assert await over(leaving) is Status.COMPLETED

    assert registers(other.guest) == registers(guest)


async def test_the_hashed_page_table_goes_along(uri):
    guest = guest_running(SPIN)
    table = guest.hash_table
    table.enter(0, 0x1001, 0x2192)
    table.enter(table.slots - 1, 0x3003, 0x4192)

    copy = await moved(guest, uri)

    assert copy.hash_table.content[:] == table.content[:]
    assert not copy.hash_table.is_empty


async def test_a_guest_is_called_back_from_a_command_that_does_not_end(tmp_path):
    guest, _ = booted("busy.elf", append="rounds=0")
    async with here(guest) as (machine, leaving):
        machine.resume()
        leaving.send(machine, "exec:cat > /dev/null; sleep 1000")
        await become(leaving, Status.DEVICE)
        leaving.cancel()

        assert await over(leaving) is Status.CANCELLED
        assert machine.run_state is RunState.RUNNING
