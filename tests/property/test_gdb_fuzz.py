"""Damaged packets of gdb's protocol: a reply or an error for each, never anything else."""

import asyncio
import random
import re

import pytest

from papvmm.control.control import Control
from papvmm.control.gdb.debuggee import Debuggee
from papvmm.control.gdb.packets import LONGEST, Reader, Signal, checksum, frame
from papvmm.control.gdb.session import Session
from papvmm.machine.history import History
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState
from tests.guest_programs import FOREVER as SPIN
from tests.guest_programs import guest_running, hcall
from tests.mutations import damaged

PACKETS = (
    b"qSupported:multiprocess+;swbreak+;hwbreak+;xmlRegisters=i386", b"vCont?", b"?", b"g",
    b"Hgp1.1", b"Hgp1.2", b"Hc-1", b"qC", b"qfThreadInfo", b"qsThreadInfo", b"qAttached:1",
    b"qThreadExtraInfo,p1.2", b"Tp1.1", b"p40", b"p41", b"pc8", b"P3=0000000000001234",
    b"P40=0000000000001000", b"P41=8000000000001000", b"Pc0=0000000000008000", b"G" + b"00" * 560,
    b"m1000,40", b"m0,ffffffff", b"mc000000000001000,8", b"M8000,4:00112233", b"X8000,2:ab",
    b"qXfer:features:read:target.xml:0,ffb", b"qXfer:features:read:target.xml:3000,1000",
    b"Z0,1004,4", b"z0,1004,4", b"Z1,1000,4", b"Z2,8000,8", b"z2,8000,8", b"Z4,1000,1000",
    b"vCont;c", b"vCont;s:p1.1;c", b"vCont;s:p1.2", b"vCont;C05:1;s", b"c", b"s", b"C05", b"S05",
    b"bs", b"bc", b"qqemu.PhyMemMode", b"Qqemu.PhyMemMode:1", b"Qqemu.PhyMemMode:0",
    b"qRcmd," + b"info registers".hex().encode(), b"qRcmd," + b"x /4i 0x1000".hex().encode(),
    b"vMustReplyEmpty", b"D;1", b"vKill;1", b"qSymbol::", b"QStartNoAckMode",
)  # fmt: skip
A_FEW = 1_000
ALL = pytest.param(10_000, marks=pytest.mark.slow)
REPLY = re.compile(rb"\$[^#$]*#[0-9a-f]{2}", re.DOTALL)


def damaged_packet(generator):
    """Return a packet with damage within its frame, to its frame, or to both."""
    body = generator.choice(PACKETS)
    if generator.randrange(4):
        body = damaged(body, generator)
    packet = b"$%b#%b" % (body, checksum(body))
    return packet if generator.randrange(4) else damaged(packet, generator)


class Conversation:
    """A debugger's conversation about a machine, which it may end."""

    def __init__(self, machine):
        guest = machine.guest
        self.machine = machine
        self.debuggee = Debuggee(Control(machine), lambda _: (33, "it ended"), History(guest))
        self.debuggee.attach()
        self.begin()

    def begin(self):
        self.reader, self.session = Reader(), Session(self.debuggee)

    async def answer(self, data):
        """Return the replies to some bytes; a guest that runs is interrupted."""
        replies = []
        for item in self.reader.feed(data):
            if isinstance(item, Signal):
                continue
            answering = asyncio.create_task(self.session.answer(item))
            for _ in range(3):
                await asyncio.sleep(0)
            self.debuggee.interrupt(is_early=False)
            replies += await answering
            if self.session.ends:
                self.begin()
        return replies


@pytest.mark.parametrize("times", [A_FEW, ALL])
async def test_damaged_packets_get_a_reply_or_an_error_each(times):
    generator = random.Random(times)
    taken = errors = 0
    while taken < times:
        text = f"{hcall(0xE4, 0)}; addi 10,10,1; std 10,0x800(0); {SPIN}"
        guest = guest_running(text, vcpus=2, slice_counts=1000)
        async with Machine(guest, attended=True) as machine:
            conversation = Conversation(machine)
            while taken < times and machine.run_state is not RunState.SHUTDOWN:
                replies = await conversation.answer(damaged_packet(generator) + b"#00")
                taken += 1

                for packet in map(frame, replies):
                    assert REPLY.fullmatch(packet)
                    assert len(packet) <= LONGEST + len("$#00")
                errors += any(reply[:1] == b"E" for reply in replies)
            conversation.begin()
            (last,) = await conversation.answer(b"$?#3f")
            assert last[:1] in b"TW"
    assert times // 10 < errors < times
