"""The human monitor, by QMP's human-monitor-command."""

import asyncio
import ctypes
import re

import pytest
from qemu.qmp import ExecuteError

from papvmm.isa.state import CIA, GPR, LR
from papvmm.machine.config import AreasOnReset
from papvmm.vpa.layout import Area
from tests.guest_programs import FOREVER, guest_running
from tests.guests.qemu import MACHINE, QEMU
from tests.qmp import client, controlled

PATTERN = bytes(index * 7 & 0xFF for index in range(256)) + b"hello\0\n\x7f"
SHOWN = (
    "/4xb 0x2000", "/16xb 8192", "/3xg 0x2000", "/5xw 0x2000", "/10xh 0x2000 + 8", "/9uw 0x20f8",
    "/3dg 0x2000", "/5db 0x2000", "/7ub 0x2080", "/9uh 0x2000", "/3ug 0x2098", "/3ob 0x2010",
    "/5ow 0x2000", "/3og 0x2000", "/4xw 0x2100-4", "/1xb 0x400000000000",
)  # fmt: skip
"""Formats and addresses; the page at 0x2000 holds ``PATTERN``. QEMU shows d without a sign."""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy(**config):
    return guest_running(FOREVER, slice_counts=10_000, **config)


async def told(qmp, line, **arguments):
    """Return what the monitor prints, in lines."""
    arguments = {"command-line": line} | arguments
    text = await qmp.execute("human-monitor-command", arguments)
    assert text == "" or text.endswith("\r\n")
    return text.split("\r\n")[:-1]


async def test_registers_are_shown_of_one_vcpu_or_of_all(path):
    guest = busy(vcpus=2)
    guest.vcpus[0].state.write(GPR, 0x1234_5678_9ABC_DEF0, 5)
    guest.vcpus[1].state.write(LR, 0xC000_0000_0000_0042)
    async with controlled(guest, path) as (_, qmp):
        first = await told(qmp, "info registers")
        second = await told(qmp, "info registers", **{"cpu-index": 1})
        both = await told(qmp, "info registers -a")

    assert first[:2] == ["", "CPU#0"]
    assert re.search(r"^NIP 0000000000001000   LR 0{16} CTR", first[2])
    gprs = next(line for line in first if line.startswith("GPR04"))
    assert gprs.split() == ["GPR04", "0" * 16, "123456789abcdef0", "0" * 16, "0" * 16]
    assert "LR c000000000000042" in second[2]
    assert both == first + second


async def test_the_areas_and_stores_into_them_are_shown_and_stale_ones_are_marked(path):
    guest = busy(areas_on_reset=AreasOnReset.KEEP)
    areas = guest.vcpus[0].areas
    areas.put(Area.VPA, 0x8000, 0)
    areas.put(Area.DTL, 0x9000, 480)
    guest.run(50_000)
    async with controlled(guest, path) as (machine, qmp):
        before = await told(qmp, "info areas")
        await machine.reset("test")
        after = await told(qmp, "info areas")
        stores = await told(qmp, "info hv-writes 3")

    assert before[0] == f"vcpu 0: runnable, yield_count {areas.yield_count}"
    assert "VPA         0x8000, 640 bytes, registration 1 by ONE_REG @ 0" in before[1]
    assert before[4].strip() == "5 entries written, the next one at 0x90f0"
    assert "STALE" not in before[1]
    assert "STALE" in after[1]
    assert len(stores) == 4
    assert "lppaca.yield_count" in stores[-1]


async def test_memory_is_read_by_any_address(path):
    guest = busy()
    guest.memory.write(0x2000, PATTERN)
    guest.vcpus[0].state.write(GPR, 0x2000, 4)
    async with controlled(guest, path) as (_, qmp):
        assert await told(qmp, "xp /2xw $r4+4") == ["0000000000002004: 0x1c232a31 0x383f464d"]
        assert await told(qmp, "x /5c 0xc000000000002100") == [
            "c000000000002100: 'h' 'e' 'l' 'l' 'o'"
        ]
        assert await told(qmp, "xp /2i $pc") == [
            "0x00001000:  394a0001  addi r10, r10, 1",
            "0x00001004:  4bfffffc  b 0x1000",
        ]
        assert await told(qmp, "xp /2xg 0x100000 - 8") == ["00000000000ffff8: Cannot access memory"]


async def test_a_host_address_is_where_the_byte_is(path):
    guest = busy()
    guest.memory.write(0x2345, b"here it is")
    async with controlled(guest, path) as (_, qmp):
        (line,) = await told(qmp, "gpa2hva 0x2345")
        (nothing,) = await told(qmp, "gpa2hva 0x100000")

    match = re.fullmatch(r"Host virtual address for 0x2345 \(papvmm\.ram\) is (0x\w+)", line)
    assert ctypes.string_at(int(match[1], 16), 10) == b"here it is"
    assert nothing == "No memory is mapped at address 0x100000"


async def test_the_machine_is_steered(path):
    async with controlled(busy(), path) as (machine, qmp):
        said = [await told(qmp, line) for line in ("info status", "c", "info status", "stop")]

        assert said == [["VM status: paused (prelaunch)"], [], ["VM status: running"], []]
        assert await told(qmp, "system_reset") == []
        assert machine.guest.door.generation == 1
        assert await told(qmp, "quit") == []
        await machine.end()


async def test_memory_is_listed_as_one_region(path):
    async with controlled(busy(), path) as (_, qmp):
        lines = await told(qmp, "info mtree -f")

    assert lines[:2] == ["FlatView #0", ' AS "memory", root: system']
    assert " Root memory region: system" in lines
    assert "  0000000000000000-00000000000fffff (prio 0, ram): papvmm.ram" in lines


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("bogus 1", ["unknown command: 'bogus'"]),
        ("info bogus", ["unknown command: 'info bogus'"]),
        ("", []),
        ("xp", ["no number or register at '' in ''"]),
        ("xp /4xb 12 13", ["no number or register at '13' in '12 13'"]),
        ("xp /4xb $r32", ["unknown register '$r32': there is $r0 to $r31, $nip, $pc, $lr, $ctr,"
                          " $msr"]),
        ("xp /4zb 0", ["'/4zb' is no format: /COUNT, one of x d u o c i, one of b h w g"]),
        ("xp /65537xb 0", ["65537 items are more than 65536"]),
        ("info registers 7", ["Error: there is no vcpu 7; there is 0"]),
        ("stop now", ["it takes 0 arguments: see help"]),
        ("help xp", ["xp /fmt addr -- physical memory dump starting at 'addr'"]),
    ],
)  # fmt: skip
async def test_mistakes_are_answers(path, line, answer):
    async with controlled(busy(), path) as (_, qmp):
        assert await told(qmp, line) == answer


async def test_a_vcpu_that_is_not_there_is_an_error(path):
    async with controlled(busy(), path) as (_, qmp):
        with pytest.raises(ExecuteError, match="vcpu 3"):
            await told(qmp, "info status", **{"cpu-index": 3})


async def test_every_command_is_in_the_help(path):
    async with controlled(busy(), path) as (_, qmp):
        commands, infos = await told(qmp, "help"), await told(qmp, "info")

    names = {line.split()[0] for line in commands}
    assert names >= {"x", "xp", "stop|s", "cont|c", "quit|q", "info", "help|?", "gpa2hva"}
    assert {line.split()[1] for line in infos} >= {"registers", "areas", "mtree", "cpus"}


@pytest.mark.oracle
async def test_memory_and_registers_are_printed_as_qemu_prints_them(path, tmp_path):
    rom = bytearray(0x3000)
    rom[0x2000 : 0x2000 + len(PATTERN)] = PATTERN
    (tmp_path / "rom").write_bytes(rom)
    theirs = tmp_path / "qemu"
    qemu = await asyncio.create_subprocess_exec(
        QEMU, "-nodefaults", "-display", "none", "-S", "-machine", f"{MACHINE},kernel-addr=0",
        "-bios", tmp_path / "rom", "-qmp", f"unix:{theirs},server=on,wait=on",
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert b"waiting for connection" in await qemu.stderr.readline()
    async with client(theirs) as qmp:
        expected = [await told(qmp, f"xp {what}") for what in SHOWN]
        registers = await told(qmp, "info registers")
    qemu.terminate()
    await qemu.communicate()
    guest = busy()
    guest.memory.write(0, bytes(rom))
    guest.vcpus[0].state.write(CIA, 0x100)

    async with controlled(guest, path) as (_, qmp):
        assert [await told(qmp, f"xp {what}") for what in SHOWN] == expected
        ours = await told(qmp, "info registers")

    def labels(lines):
        return [re.sub(r"[0-9a-f]{8,16}|DECR \d+", "", line).split() for line in lines]

    same = [line for line in labels(ours) if line in labels(registers)]
    assert [line[0] for line in same if line and line[0][:3] in ("NIP", "GPR", "FPR", "CR", "TB")]
    assert len(same) >= 20
