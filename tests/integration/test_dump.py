"""Core files of guests, as QMP's dump-guest-memory writes them."""

import asyncio
import io
import os
import stat
import subprocess

import pytest
from elftools.elf.elffile import ELFFile
from qemu.qmp import ExecuteError

from papvmm.isa.msr import MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.state import CIA, GPR, LPCR, LPCR_HR, LR, MSR, PROCESS_TABLE, VRSAVE, VSCR
from tests.guest_programs import ENTRY, FOREVER, guest_running
from tests.page_tables import READ, VALID, Tree
from tests.programs import image
from tests.qmp import controlled

VMCOREINFO = b"OSRELEASE=6.1.0\nPAGESIZE=65536\nSYMBOL(swapper_pg_dir)=c000000000010000\n"
WHAT = b"what a guest has in its memory"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "qmp"


def busy(*, little_endian=False, **config):
    """A guest that runs for ever, with something in RAM and in the registers."""
    guest = guest_running(FOREVER, slice_counts=10_000, **config)
    guest.memory.write(0x5000, WHAT)
    state = guest.vcpus[0].state
    if little_endian:
        guest.memory.write(ENTRY, image(FOREVER, at=ENTRY, little_endian=True))
        state.write(MSR, MSR_SF | MSR_ME | MSR_LE)
    for number in range(32):
        state.write(GPR, 0x1111_0000_0000_0000 + number, number)
        state.set_vsr(number, 0xF000 + number << 64 | 0xE000 + number)
        state.set_vsr(32 + number, 0xD000 + number << 64 | 0xC000 + number)
    state.write(LR, 0x1234)
    state.write(VSCR, 1)
    state.write(VRSAVE, 0x8765_4321)
    state.cr = 0x8000_0002
    return guest


def to(target, **arguments):
    return "dump-guest-memory", {"paging": False, "protocol": target} | arguments


async def dumped(guest, path, target, **arguments):
    """Dump a guest that has not run to a file, and return that, read by pyelftools."""
    async with controlled(guest, path) as (_, qmp):
        assert await qmp.execute(*to(f"file:{target}", **arguments)) == {}
    return ELFFile(io.BytesIO(target.read_bytes()))


def notes(elf):
    (segment,) = (one for one in elf.iter_segments() if one["p_type"] == "PT_NOTE")
    return [(note["n_name"], note["n_type"], note["n_desc"]) for note in segment.iter_notes()]


@pytest.mark.parametrize("little_endian", [False, True])
async def test_a_core_file_has_all_of_ram_and_the_notes_of_every_vcpu(
    path, tmp_path, little_endian
):
    guest = busy(vcpus=2, little_endian=little_endian)

    elf = await dumped(guest, path, tmp_path / "core")

    (load,) = (one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD")
    assert (elf["e_type"], elf["e_machine"], elf.little_endian) == (
        "ET_CORE", "EM_PPC64", little_endian,
    )  # fmt: skip
    assert (load["p_paddr"], load["p_filesz"], load["p_memsz"]) == (0, 1 << 20, 1 << 20)
    assert load.data() == guest.memory.ram.tobytes()
    assert [name for name, _, _ in notes(elf)] == ["CORE", "CORE", "LINUX", "LINUX"] * 2 + ["QEMU"]


async def test_a_piece_of_ram_is_at_its_address(path, tmp_path):
    elf = await dumped(busy(), path, tmp_path / "core", begin=0x5000, length=4)

    (load,) = (one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD")
    assert (load["p_paddr"], load["p_vaddr"], load.data()) == (0x5000, 0x5000, WHAT[:4])


async def test_ram_is_there_by_the_kernels_addresses_too_if_asked_for(path, tmp_path):
    guest = busy()
    tree = Tree(guest.memory, pid=0)
    tree.map(0x7000, 0x5000, 12, READ)
    guest.vcpus[0].state.write(LPCR, LPCR_HR)
    guest.vcpus[0].state.write(PROCESS_TABLE, tree.process_table)

    elf = await dumped(guest, path, tmp_path / "core", paging=True)

    loads = [one for one in elf.iter_segments() if one["p_type"] == "PT_LOAD"]
    assert [(one["p_vaddr"], one["p_paddr"], one["p_filesz"]) for one in loads] == [
        (0, 0, 1 << 20), (0xC000_0000_0000_7000, 0x5000, 0x1000),
    ]  # fmt: skip
    assert loads[0].data() == guest.memory.ram.tobytes()
    assert loads[1].data() == guest.memory.read(0x5000, 0x1000)


async def test_a_tree_without_end_is_given_up(path, tmp_path):
    guest = busy()
    tree = Tree(guest.memory, pid=0)
    for index in range(8192):
        guest.memory.store_be(tree.root + 8 * index, 8, VALID | tree.root | 9)
    guest.vcpus[0].state.write(LPCR, LPCR_HR)
    guest.vcpus[0].state.write(PROCESS_TABLE, tree.process_table)

    async with controlled(guest, path) as (_, qmp):
        with pytest.raises(ExecuteError, match="too many branches"):
            await qmp.execute(*to(f"file:{tmp_path}/core", paging=True))

    assert not (tmp_path / "core").exists()


async def test_linuxs_own_description_is_among_the_notes(path, tmp_path):
    guest = busy()
    guest.memory.write(0x6008, VMCOREINFO)
    guest.memory.write(0x7000, b"OSRELEASE=%s\nand no more")
    without = await dumped(guest, path, tmp_path / "without")
    guest.memory.write(0x8000, VMCOREINFO + b"\0" * 16 + b"rest")

    elf = await dumped(guest, path, tmp_path / "core")

    assert "VMCOREINFO" not in [name for name, _, _ in notes(without)]
    assert notes(elf)[-1] == ("VMCOREINFO", 0, VMCOREINFO)


async def test_a_dump_is_its_owners_replaces_a_file_and_takes_no_room_for_zeros(path, tmp_path):
    target = tmp_path / "core"
    target.write_text("an older one")

    await dumped(busy(memory_size=64 << 20), path, target)

    found = target.stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_size == (64 << 20) + 4096
    assert found.st_blocks * 512 < 1 << 20
    assert {one.name for one in tmp_path.iterdir()} == {"core"}


async def test_a_guest_rests_for_a_dump_and_goes_on(path, tmp_path):
    async with controlled(busy(memory_size=64 << 20), path) as (machine, qmp):
        await qmp.execute("cont")
        assert await qmp.execute(*to(f"file:{tmp_path}/core", detach=True)) == {}
        told = [await asyncio.wait_for(qmp.events.get(), 10) for _ in range(4)]
        status = await qmp.execute("query-dump")
        before = machine.guest.clock.icount
        await qmp.execute("stop")

    assert [event["event"] for event in told] == ["RESUME", "STOP", "RESUME", "DUMP_COMPLETED"]
    done = {"status": "completed", "completed": 64 << 20, "total": 64 << 20}
    assert told[-1]["data"] == {"result": done}
    assert status == done
    assert machine.guest.clock.icount > before


async def test_a_pipe_that_nobody_reads_keeps_the_guest_from_nothing(path):
    reading, writing = os.pipe()
    guest = busy()
    async with controlled(guest, path) as (machine, qmp):
        await hand_over(qmp, writing, "pipe")
        await qmp.execute("cont")
        await qmp.execute(*to("fd:pipe", detach=True))
        async with asyncio.timeout(10):
            while not (await qmp.execute("query-status"))["running"]:
                pass
            before = machine.guest.clock.icount
            while machine.guest.clock.icount == before:
                await qmp.execute("query-status")
        unread = await qmp.execute("query-dump")
        with pytest.raises(ExecuteError, match="please wait"):
            await qmp.execute(*to("file:core"))

        content = await asyncio.to_thread(read_all, reading)
        while (await qmp.execute("query-dump"))["status"] == "active":
            pass

    assert unread["status"] == "active"
    assert content.startswith(b"\x7fELF")
    assert len(content) == (1 << 20) + 4096
    assert WHAT in content


async def test_a_file_that_is_handed_over_holds_the_dump_and_nothing_else(path, tmp_path):
    target = tmp_path / "core"
    target.write_bytes(b"\xff" * (2 << 20))
    guest = busy()
    async with controlled(guest, path) as (_, qmp):
        await hand_over(qmp, os.open(target, os.O_RDONLY), "unwritable")
        with pytest.raises(ExecuteError):
            await qmp.execute(*to("fd:unwritable"))
        await hand_over(qmp, os.open(target, os.O_RDWR), "writable")
        await qmp.execute(*to("fd:writable"))

    assert target.read_bytes()[4096:] == guest.memory.ram.tobytes()


async def hand_over(qmp, descriptor, name):
    qmp.send_fd_scm(descriptor)
    await qmp.execute("getfd", {"fdname": name})
    os.close(descriptor)


def read_all(descriptor):
    with open(descriptor, "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (to("file:"), "file:PATH"),
        (to("tcp:1234"), "file:PATH"),
        (to("fd:nothing"), "'nothing' not found"),
        (to("file:/no/such/directory/core"), "No such file"),
        (to("file:/dev/null"), "no file"),
        (to("file:" + "x" * 300), "too long"),
        (to("file:a\0b"), "null"),
        (to("file:core", paging=True), "no radix trees"),
        (to("file:core", paging=True, begin=0, length=1), "leave begin and length out"),
        (to("file:core", format="kdump-zlib"), "format"),
        (to("file:core", begin=0), "go together"),
        (to("file:core", begin=0, length=0), "length is 0"),
        (to("file:core", begin=1 << 20, length=1), "outside guest RAM"),
        (to("file:core", begin=1, length=1 << 63), "outside guest RAM"),
        (("pmemsave", {"val": 1 << 20, "size": 1, "filename": "x"}), "outside guest RAM"),
        (("memsave", {"val": 0, "size": 1, "filename": "/dev/null"}), "no file"),
    ],
)
async def test_what_can_not_be_dumped_is_said_and_leaves_nothing(
    path, tmp_path, monkeypatch, arguments, why
):
    monkeypatch.chdir(tmp_path)
    async with controlled(busy(), path) as (_, qmp):
        with pytest.raises(ExecuteError, match=why):
            await qmp.execute(*arguments)

    assert list(tmp_path.iterdir()) == []


async def test_a_link_in_the_way_of_a_dump_stays(path, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "core").symlink_to(tmp_path / "precious")

    async with controlled(busy(), path) as (_, qmp):
        with pytest.raises(ExecuteError, match="no file"):
            await qmp.execute(*to(f"file:{tmp_path}/core"))

    assert (tmp_path / "precious").read_text() == "precious"


async def test_memory_is_saved_by_either_kind_of_address(path, tmp_path):
    async with controlled(busy(), path) as (_, qmp):
        where = {"val": 0x5000, "size": len(WHAT)}
        await qmp.execute("pmemsave", where | {"filename": str(tmp_path / "physical")})
        where["val"] |= 0xC000_0000_0000_0000
        await qmp.execute("memsave", where | {"filename": str(tmp_path / "effective")})
        line = f"pmemsave 0x5000 4 {tmp_path}/by-hand"
        await qmp.execute("human-monitor-command", {"command-line": line})

    saved = [(tmp_path / name).read_bytes() for name in ("physical", "effective", "by-hand")]
    assert saved == [WHAT, WHAT, WHAT[:4]]


@pytest.mark.oracle
@pytest.mark.parametrize("little_endian", [False, True])
async def test_gdb_reads_a_core_file(path, tmp_path, little_endian):
    guest = busy(vcpus=2, little_endian=little_endian)
    guest.vcpus[1].state.write(CIA, 0x7654)
    await dumped(guest, path, tmp_path / "core")

    told = gdb(
        tmp_path / "core",
        *("info threads", "p/x $r7", "p/x $pc", "p/x $lr", "p/x $cr", "p/x $vs3.uint128"),
        *("p/x $vr9.uint128", "p/x $vscr", "p/x $vrsave", "x/s 0x5000", "x/2i $pc"),
        *("thread 2", "p/x $pc"),
    )  # fmt: skip

    for line in (
        "LWP 2", "$1 = 0x1111000000000007", "$2 = 0x1000", "$3 = 0x1234", "$4 = 0x80000002",
        "$5 = 0xf003000000000000e003", "$6 = 0xd009000000000000c009", "$7 = 0x1",
        "$8 = 0x87654321", WHAT.decode(), "addi    r10,r10,1", "b       0x1000", "$9 = 0x7654",
    ):  # fmt: skip
        assert line in told


def gdb(core, *commands):
    commands = ("set architecture powerpc:common64", f"core {core}", *commands)
    arguments = [argument for command in commands for argument in ("-ex", command)]
    done = subprocess.run(
        ("gdb-multiarch", "-batch", "-nx", *arguments), capture_output=True, check=True, text=True
    )
    return done.stdout
