"""The gdb remote protocol on the way back, and watchpoints in both directions."""

import pytest

from papvmm.isa.state import CIA, GPR
from papvmm.machine.builder import boot
from papvmm.machine.config import AreasOnReset, File, MachineConfig
from tests.guest_programs import ENTRY, guest_running, with_a_second_vcpu
from tests.rsp import debugged, until
from tests.shell import IMAGES

COUNTS = "addi 10,10,1; std 10,0x800(0); ld 11,0x800(0); b -12"
"""A loop of four instructions; r10 counts its rounds."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gdb"


def counting(**config):
    return guest_running(COUNTS, **config)


def two_vcpus():
    return with_a_second_vcpu(counting(vcpus=2, slice_counts=100))


def rebooting():
    """Return kernel A, whose areas stay when kernel B comes."""
    images = [File(name, (IMAGES / name).read_bytes()) for name in ("kernel-a.elf", "kernel-b.elf")]
    return boot(
        MachineConfig(
            memory_size=16 << 20,
            vcpus=2,
            kernel=images[0],
            next_kernels=(images[1],),
            areas_on_reset=AreasOnReset.KEEP,
        )
    )


async def test_the_way_back_is_offered(path):
    async with debugged(counting(), path) as (_, peer):
        features = (await peer.ask("qSupported")).split(";")

    assert {"ReverseStep+", "ReverseContinue+"} <= set(features)


async def test_a_step_back_undoes_a_step(path):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        for _ in range(6):
            await peer.ask("s")
        before = bytes(guest.vcpus[0].state.buffer), guest.memory.read(0, 0x2000)
        await peer.ask("s")

        assert await peer.ask("bs") == "T05thread:1;"
        assert (bytes(guest.vcpus[0].state.buffer), guest.memory.read(0, 0x2000)) == before


async def test_history_has_a_beginning(path):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        await peer.ask("s")
        assert await peer.ask("bs") == "T05thread:1;"
        assert await peer.ask("bs") == "T05thread:1;replaylog:begin;"
        await peer.ask("s")
        assert await peer.ask("bc") == "T05thread:1;replaylog:begin;"

    assert guest.vcpus[0].state.read(CIA) == ENTRY


async def test_the_way_back_leads_to_a_breakpoint(path):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        for _ in range(11):
            await peer.ask("s")
        await peer.ask(f"Z0,{ENTRY + 4:x},4")

        assert await peer.ask("bc") == "T05thread:1;swbreak:;"
        assert guest.clock.icount == 9
        assert await peer.ask("bc") == "T05thread:1;swbreak:;"
        assert guest.clock.icount == 5
        assert await peer.ask("c") == "T05thread:1;swbreak:;"
        assert guest.clock.icount == 9


@pytest.mark.parametrize(
    ("kind", "word", "pc"), [(2, "watch", 4), (3, "rwatch", 8), (4, "awatch", 4)]
)
async def test_an_access_to_watched_bytes_stops_before_it(path, kind, word, pc):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask(f"Z{kind},804,4") == "OK"
        assert await peer.ask("c") == f"T05thread:1;{word}:804;"
        assert guest.vcpus[0].state.read(CIA) == ENTRY + pc


async def test_the_way_back_leads_past_an_access_as_gdb_expects(path):
    """gdb goes back one more instruction, and then compares."""
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        for _ in range(11):
            await peer.ask("s")
        await peer.ask("Z2,800,8")

        assert await peer.ask("bc") == "T05thread:1;watch:800;"
        assert guest.clock.icount == 10
        assert guest.memory.load_be(0x800, 8) == 3
        await peer.ask("bs")
        assert guest.memory.load_be(0x800, 8) == 2
        assert await peer.ask("bc") == "T05thread:1;watch:800;"
        assert guest.clock.icount == 6


async def test_a_stop_past_an_access_is_no_stop_for_it_again(path):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        for _ in range(7):
            await peer.ask("s")
        await peer.ask("Z2,800,8")
        await peer.ask("bc")

        assert await peer.ask("c") == "T05thread:1;watch:800;"
        assert guest.clock.icount == 9


async def test_a_step_of_a_vcpu_in_the_past_is_one_of_that_vcpu(path):
    guest = two_vcpus()
    async with debugged(guest, path) as (_, peer):
        for _ in range(3):
            await peer.ask("vCont;s:2")
        assert guest.clock.icount == 103
        await peer.ask("Hc1")
        await peer.ask("bs")
        assert guest.clock.icount == 99
        await peer.ask("bs")

        assert await peer.ask("vCont;s:2") == "T05thread:2;"
        assert guest.clock.icount == 101
        assert guest.vcpus[1].state.read(GPR, 11) == 1


async def test_a_change_of_the_past_has_another_future(path):
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        for _ in range(9):
            await peer.ask("s")
        for _ in range(8):
            await peer.ask("bs")
        assert await peer.ask(f"Pa={100:016x}") == "OK"
        assert await peer.ask("M900,2:abcd") == "OK"
        for _ in range(4):
            await peer.ask("s")
        assert guest.vcpus[0].state.read(GPR, 10) == 101

        for _ in range(2):
            await peer.ask("bs")
        await peer.ask("s")
        await peer.ask("s")

    assert guest.vcpus[0].state.read(GPR, 10) == 101
    assert guest.memory.read(0x900, 2) == b"\xab\xcd"


async def test_a_store_by_the_hypervisor_stops_and_is_told(path):
    """The reboot corruption, as a debugger sees it: forward, and from later on backward."""
    guest = rebooting()
    async with debugged(guest, path) as (_, peer):
        await peer.ask("Z1,400000,4")
        assert await peer.ask("c") == "T05thread:1;hwbreak:;"
        assert guest.door.generation == 1
        await peer.ask("z1,400000,4")
        await peer.ask("Z2,600100,4")
        forward = [await peer.ask("c"), await peer.hear()]
        await peer.ask("bs")
        backward = [await peer.ask("bc"), await peer.hear()]

    assert forward[1] == backward[1] == "T05thread:1;watch:600100;"
    texts = [bytes.fromhex(told[0][1:]).decode().splitlines() for told in (forward, backward)]
    stale = ", VPA registered by kernel-a.elf @ 13,851 (STALE)"
    assert texts == [
        [
            f"hypervisor: vcpu0 lppaca.yield_count {count:#x} -> {count + 1:#x} at gpa 0x600100"
            f" ({actor} @ {icount}){stale}"
            for count, actor in ((first, "exit"), (first + 1, "enter"))
        ]
        for first, icount in ((0x3A, "44,896"), (0x38, "32,914"))
    ]


async def test_the_way_back_begins_with_the_stores_of_the_last_exit(path):
    """They were made, but where the guest ends no entry follows that they would stop."""
    guest = rebooting()
    async with debugged(guest, path) as (_, peer):
        await peer.ask("c")
        assert await peer.hear() == "T0fthread:1;"
        end = guest.clock.icount
        await peer.ask("Z2,600100,4")
        count = await peer.ask("m600100,4")
        told = [await peer.ask("bc"), await peer.hear()]
        assert told[1] == "T05thread:1;watch:600100;"
        assert (
            f"-> {int(count, 16):#x} at gpa 0x600100 (exit @ {end:,})"
            in bytes.fromhex(told[0][1:]).decode()
        )
        await peer.ask("bs")

        assert int(await peer.ask("m600100,4"), 16) == int(count, 16) - 1
        assert guest.clock.icount == end - 1


async def test_the_way_back_is_interrupted(path):
    """The watched bytes are never stored to, and history has two checkpoints at least."""
    guest = counting()
    async with debugged(guest, path) as (_, peer):
        peer.say("c")
        await until(lambda: len(guest.history.checkpoints) > 2)
        peer.interrupt()
        await peer.hear()
        latest = guest.clock.icount
        await peer.ask("Z2,8000,8")
        peer.say("bc")
        peer.interrupt()

        assert await peer.hear() == "T02thread:1;"
        assert 0 < guest.clock.icount <= latest


async def test_monitor_commands_are_answered_by_the_human_monitor(path):
    async with debugged(counting(), path) as (_, peer):
        told = await peer.ask("qRcmd," + b"info areas".hex())
        last = await peer.hear()
        nonsense = await peer.ask("qRcmd," + b"nonsense".hex())

    assert bytes.fromhex(told[1:]).decode().startswith("vcpu 0: runnable, yield_count 0\n")
    assert last == "OK"
    assert bytes.fromhex(nonsense[1:]) == b"unknown command: 'nonsense'\n"
