"""The gdb remote protocol, packet by packet, as its manual describes it."""

import asyncio
import socket
import stat

import pytest

from papvmm.control.control import Control
from papvmm.control.gdb.address import GdbAddress, parse_address
from papvmm.control.gdb.debuggee import Debuggee
from papvmm.control.gdb.server import GdbServer
from papvmm.errors import BadUsage
from papvmm.isa.state import CIA, GPR, MSR
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState
from tests.guest_programs import ENTRY, FOREVER, guest_running, hcall, with_a_second_vcpu
from tests.rsp import Peer, debugged, peer_at, until

H_CEDE = 0xE0
H_CONFER = 0xE4


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gdb"


def busy(**config):
    return guest_running(FOREVER, **config)


def two_vcpus():
    """Return a guest whose vcpus both run, from 0x1000 and 0x2000, a slice of 100 each."""
    return with_a_second_vcpu(busy(vcpus=2, slice_counts=100))


async def test_what_is_supported(path):
    async with debugged(busy(), path) as (_, peer):
        features = (await peer.ask("qSupported:multiprocess+;swbreak+")).split(";")

    assert "PacketSize=4000" in features
    assert {"multiprocess+", "vContSupported+", "QStartNoAckMode+", "swbreak+"} <= set(features)


async def test_a_debugger_may_say_what_each_thread_does(path):
    """gdb wants to hear of all four."""
    async with debugged(busy(), path) as (_, peer):
        assert await peer.ask("vCont?") == "vCont;c;C;s;S"


async def test_who_steps_is_whom_the_debugger_chose_whoever_stopped(path):
    guest = two_vcpus()
    async with debugged(guest, path) as (_, peer):
        await peer.ask("Hc2")
        assert await peer.ask("s") == "T05thread:2;"
        assert await peer.ask("vCont;s:1") == "T05thread:1;"
        assert await peer.ask("s") == "T05thread:2;"
        await peer.ask("Hc0")

        assert await peer.ask("vCont;s:1") == "T05thread:1;"
        assert await peer.ask("s") == "T05thread:1;"


async def test_packets_are_acknowledged_until_both_sides_agree(path):
    async with debugged(busy(), path) as (_, peer):
        peer.say("?")
        first = await peer.reader.readexactly(1)
        assert (await peer.hear()).startswith("T05")
        assert await peer.ask("QStartNoAckMode") == "OK"
        peer.say("qAttached")
        last = await peer.reader.readexactly(1)

    assert first == b"+"
    assert last == b"$"


async def test_a_damaged_packet_is_asked_for_again_and_so_is_a_reply(path):
    async with debugged(busy(), path) as (_, peer):
        peer.writer.write(b"$qC#00")
        assert await peer.reader.readexactly(1) == b"-"
        answer = await peer.ask("qC")
        peer.writer.write(b"-")

        assert await peer.hear() == answer == "QC1"


@pytest.mark.parametrize("packet", ["vMustReplyEmpty", "qTStatus", "z9,0,0", "Z5,0,4", "R00", "bx"])
async def test_what_is_not_known_has_an_empty_reply(path, packet):
    async with debugged(busy(), path) as (_, peer):
        assert await peer.ask(packet) == ""


@pytest.mark.parametrize(
    "packet",
    ["m", "m10", "mx,4", "M0,4:00", "pfffff", "P0=00", "G00", "Hgp1.9", "Tp2.1", "vCont;x", "Z0,4",
     "Z2,0,0", "qThreadExtraInfo,", "Qqemu.PhyMemMode:2", "X0,3:ab", "m-1,4", "vCont;s:p1.q"],
)  # fmt: skip
async def test_what_is_not_right_is_an_error(path, packet):
    async with debugged(busy(), path) as (_, peer):
        assert (await peer.ask(packet)).startswith("E")


async def test_registers_are_read_and_written(path):
    guest = busy()
    guest.vcpus[0].state.write(GPR, 0x0123456789ABCDEF, 7)
    async with debugged(guest, path) as (_, peer):
        everything = await peer.ask("g")
        assert everything[7 * 16 : 8 * 16] == "0123456789abcdef"
        assert await peer.ask("p7") == "0123456789abcdef"
        assert await peer.ask("p40") == f"{ENTRY:016x}"
        assert await peer.ask("P7=00000000000000ff") == "OK"
        assert await peer.ask("G" + await peer.ask("g")) == "OK"

    assert guest.vcpus[0].state.read(GPR, 7) == 0xFF


async def test_registers_have_the_byte_order_of_their_vcpu(path):
    guest = busy()
    guest.vcpus[0].state.write(MSR, guest.vcpus[0].state.read(MSR) | 1)
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask("p40") == ENTRY.to_bytes(8, "little").hex()
        assert await peer.ask("P7=ff00000000000000") == "OK"

    assert guest.vcpus[0].state.read(GPR, 7) == 0xFF


async def test_memory_is_read_and_written_up_to_its_end(path):
    guest = busy()
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask("M8000,4:00112233") == "OK"
        assert await peer.ask("X8004,2:}\x03}\x5d") == "OK"
        assert await peer.ask("m8000,8") == "00112233237d0000"
        assert await peer.ask("mffffe,8") == "0000"
        assert await peer.ask("m100000,8") == "E0e"
        assert await peer.ask("Mffffe,4:00000000") == "E0e"
        assert len(await peer.ask("m0,ffff")) <= 0x4000


async def test_looking_leaves_every_register_as_it_is(path):
    guest = busy()
    guest.run(1000)
    before = bytes(guest.vcpus[0].state.buffer)
    async with debugged(guest, path) as (_, peer):
        for number in range(200):
            await peer.ask(f"p{number:x}")
        await peer.ask("g")

    assert bytes(guest.vcpus[0].state.buffer) == before


async def test_a_step_is_one_instruction(path):
    guest = busy()
    async with debugged(guest, path) as (machine, peer):
        assert await peer.ask("vCont;s:1") == "T05thread:1;"
        assert guest.clock.icount == 1
        assert await peer.ask("s") == "T05thread:1;"

        assert guest.vcpus[0].state.read(CIA) == ENTRY
        assert machine.run_state is RunState.PAUSED


async def test_a_breakpoint_stops_the_guest_until_it_is_gone(path):
    guest = busy()
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask(f"Z0,{ENTRY + 4:x},4") == "OK"
        assert await peer.ask("vCont;c") == "T05thread:1;swbreak:;"
        assert await peer.ask("p40") == f"{ENTRY + 4:016x}"
        assert await peer.ask(f"Z1,{ENTRY + 4:x},4") == "OK"
        assert await peer.ask(f"z0,{ENTRY + 4:x},4") == "OK"
        assert await peer.ask("c") == "T05thread:1;hwbreak:;"
        assert await peer.ask(f"z1,{ENTRY + 4:x},4") == "OK"
        peer.say("c")
        peer.interrupt()

        assert await peer.hear() == "T02thread:1;"


async def test_an_interruption_is_no_guest_exit(path):
    guest = busy(slice_counts=1 << 40)
    async with debugged(guest, path) as (machine, peer):
        peer.say("c")
        await until(lambda: guest.inside is not None)
        peer.interrupt()
        assert await peer.hear() == "T02thread:1;"

        assert guest.inside is guest.vcpus[0]
        assert machine.run_state is RunState.PAUSED


async def test_an_interruption_of_nothing_interrupts_nothing_later(path):
    async with debugged(busy(), path) as (_, peer):
        peer.say("qC")
        peer.interrupt()
        assert await peer.hear() == "QC1"

        assert await peer.ask("s") == "T05thread:1;"


async def test_vcpus_are_threads(path):
    async with debugged(two_vcpus(), path) as (_, peer):
        await peer.ask("qSupported:multiprocess+")
        assert await peer.ask("qfThreadInfo") == "mp1.1,p1.2"
        assert await peer.ask("qsThreadInfo") == "l"
        assert await peer.ask("Tp1.2") == "OK"
        assert await peer.ask("Hgp1.2") == "OK"
        assert await peer.ask("p40") == f"{0x2000:016x}"
        assert bytes.fromhex(await peer.ask("qThreadExtraInfo,p1.2")) == b"vcpu1 READY"


async def test_a_step_of_a_vcpu_that_waits_lets_the_others_have_their_turns(path):
    guest, alone = two_vcpus(), two_vcpus()
    async with debugged(guest, path) as (_, peer):
        assert await peer.ask("vCont;s:2") == "T05thread:2;"
    alone.run(guest.clock.icount)

    assert guest.clock.icount == 101
    assert guest.vcpus[1].state.read(GPR, 11) == 1
    assert [bytes(vcpu.state.buffer) for vcpu in guest.vcpus] == [
        bytes(vcpu.state.buffer) for vcpu in alone.vcpus
    ]


async def test_a_step_of_a_hypercall_is_all_of_it(path):
    guest = guest_running(f"{hcall(H_CONFER, 0)}; {FOREVER}")
    async with debugged(guest, path) as (_, peer):
        for _ in range(3):
            await peer.ask("s")

        assert guest.clock.icount == 3
        assert await peer.ask("p40") == f"{ENTRY + 12:016x}"


async def test_physical_memory(path):
    async with debugged(busy(), path) as (_, peer):
        assert await peer.ask("qqemu.PhyMemMode") == "0"
        assert await peer.ask("Qqemu.PhyMemMode:1") == "OK"
        assert await peer.ask("qqemu.PhyMemMode") == "1"
        assert await peer.ask("M8000,2:1122") == "OK"
        assert await peer.ask("m8000,2") == "1122"
        assert await peer.ask("m100000,2") == "E0e"
        assert await peer.ask("Mfffff,2:1122") == "E0e"


async def test_a_debugger_that_detaches_lets_the_guest_go_on(path):
    guest = busy()
    async with debugged(guest, path) as (machine, peer):
        await peer.ask(f"Z0,{ENTRY:x},4")
        assert await peer.ask("D") == "OK"
        assert await peer.reader.read() == b""

        assert machine.run_state is RunState.RUNNING
        assert not guest.vcpus[0].engine.breakpoints


async def test_a_debugger_that_is_gone_leaves_the_guest_stopped_for_the_next(path):
    guest = busy()
    async with debugged(guest, path) as (machine, peer):
        await peer.ask(f"Z0,{ENTRY:x},4")
        peer.say("c")
        peer.writer.transport.abort()
        await until(lambda: not guest.vcpus[0].engine.breakpoints)
        async with peer_at(path) as other:
            assert await other.ask("qC") == "QC1"

        assert machine.run_state is RunState.PAUSED


async def test_the_end_of_the_guest_is_its_exit_code(path):
    guest = guest_running("li 3,0; b 0")
    async with debugged(guest, path) as (machine, peer):
        peer.say("c")
        await asyncio.sleep(0)
        machine.quit("SIGTERM")

        assert await peer.hear() == "W8f;process:1"


async def test_the_guests_end_is_a_stop_before_it_is_the_end(path):
    guest = guest_running("addi 3,3,1; .long 0x00000000; b 0")
    async with debugged(guest, path) as (machine, peer):
        text, told = bytes.fromhex((await peer.ask("c"))[1:]).decode(), await peer.hear()
        assert (text[:5], told) == ("vcpu0", "T06thread:1;")
        assert machine.run_state is RunState.PAUSED
        assert await peer.ask("c") == "W21;process:1"


async def test_a_guest_that_rests_for_a_dump_does_not_go_on(path):
    guest = busy()
    machine = Machine(guest)
    control = Control(machine)
    debuggee = Debuggee(control, lambda _: (0, ""))
    async with machine, GdbServer(GdbAddress(path=str(path)), debuggee), peer_at(path) as peer:
        await peer.ask("?")
        control.dumps.guest_rests = True
        text, told = await peer.ask("c"), await peer.hear()

        assert bytes.fromhex(text[1:]).startswith(b"the guest rests")
        assert told == "T02thread:1;"
        assert machine.run_state is RunState.PAUSED


async def test_a_debugger_kills(path):
    async with debugged(busy(), path) as (machine, peer):
        assert await peer.ask("vKill;1") == "OK"

        assert machine.run_state is RunState.SHUTDOWN


async def test_there_is_one_debugger_at_a_time(path):
    async with debugged(busy(), path) as (_, peer):
        assert await peer.ask("qC") == "QC1"
        async with peer_at(path) as other:
            assert await other.reader.read() == b""

        assert await peer.ask("qC") == "QC1"


async def test_a_browser_is_no_debugger(path):
    guest = busy()
    async with debugged(guest, path) as (machine, peer):
        machine.resume()
        peer.writer.write(b"POST / HTTP/1.1\r\nHost: localhost\r\n\r\n$M8000,1:ff#00")

        assert await peer.reader.read() == b""
        assert machine.run_state is RunState.RUNNING

    assert guest.memory.read(0x8000, 1) == b"\0"


async def test_a_debugger_that_never_reads_holds_nobody_up(path):
    guest = busy(slice_counts=1000)
    async with debugged(guest, path) as (machine, peer):
        peer.writer.write(b"$m0,1fff#00" * 20_000)
        await until(lambda: machine.run_state is RunState.PAUSED)
        machine.resume()
        before = guest.clock.icount
        await until(lambda: guest.clock.icount > before + 100_000)
        await asyncio.wait_for(machine.pause(), 10)

        assert machine.run_state is RunState.PAUSED
        peer.writer.transport.abort()


async def test_the_socket_is_its_owners_alone(path):
    async with debugged(busy(), path) as (_, peer):
        await peer.ask("qC")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert not path.exists()


async def test_a_port_that_is_free_is_found(path):
    machine = Machine(busy())
    async with (
        machine,
        GdbServer(parse_address("tcp::0"), Debuggee(Control(machine), lambda _: (0, ""))) as server,
    ):
        connected = await asyncio.open_connection(server.address.host, server.address.port)
        peer = Peer(*connected)
        assert await peer.ask("qC") == "QC1"
        peer.writer.close()

        assert server.address.target == f":{server.address.port}"


async def test_a_port_that_is_taken_is_one_line(path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        machine = Machine(busy())
        address = GdbAddress(host="127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(BadUsage, match=r"^-gdb tcp:[^\n]+$"):
            async with machine, GdbServer(address, Debuggee(Control(machine), lambda _: (0, ""))):
                pass


@pytest.mark.parametrize(
    ("text", "address", "target"),
    [
        ("unix:/run/g", GdbAddress(path="/run/g"), "/run/g"),
        ("unix:/run/g,server=on,wait=off", GdbAddress(path="/run/g"), "/run/g"),
        ("tcp::1234", GdbAddress(host="127.0.0.1", port=1234), ":1234"),
        ("tcp:0.0.0.0:9,server,nowait", GdbAddress(host="0.0.0.0", port=9), "0.0.0.0:9"),
        ("tcp:[::1]:9", GdbAddress(host="::1", port=9), "[::1]:9"),
    ],
)
def test_addresses(text, address, target):
    assert parse_address(text) == address
    assert address.target == target


@pytest.mark.parametrize(
    "text", ["", "1234", "tcp:", "tcp:1234", "tcp::x", "tcp::65536", "unix:", "unix:x,wait=on",
             "unix:x,server=off", "udp::1234", "tcp:a:b:1"],
)  # fmt: skip
def test_wrong_addresses_are_one_line(text):
    with pytest.raises(BadUsage, match=r"^-gdb [^\n]+$"):
        parse_address(text)
