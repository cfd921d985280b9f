"""One debugger's conversation: what each packet asks for, and its reply (gdb's manual, Packets).

An empty reply says that a packet is not known, ``E`` and two digits that it can't be done.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

from papvmm.control.gdb import storage
from papvmm.control.gdb.debuggee import Debuggee
from papvmm.control.gdb.description import description
from papvmm.control.gdb.grammar import (
    Action,
    Malformed,
    actions,
    data,
    number,
    numbers,
    thread_id,
)
from papvmm.control.gdb.packets import LONGEST
from papvmm.control.gdb.points import Breakpoint, Point
from papvmm.control.gdb.registers import TOLD_AT_ONCE, Register, registers
from papvmm.control.gdb.stops import Ended, Stop
from papvmm.control.gdb.threads import ANY, PROCESS, ThreadId, thread_info
from papvmm.control.hmp.monitor import human
from papvmm.engine.watch import Watch
from papvmm.errors import BadUsage, PapvmmError
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import MSR
from papvmm.vcpu.vcpu import Vcpu

OK: Final = b"OK"
UNKNOWN: Final = b""
BAD_PACKET: Final = b"E16"
"""EINVAL."""
NO_MEMORY: Final = b"E0e"
"""EFAULT."""
TOO_LONG: Final = b"E5a"
"""EMSGSIZE."""
NOT_WRITABLE: Final = b"E01"
FAILED: Final = b"E05"
"""EIO."""

MOST_BYTES: Final = LONGEST // 2 - 1
"""Bytes that one reply has room for in hexadecimal."""
FEATURES: Final = (
    f"PacketSize={LONGEST:x};qXfer:features:read+;vContSupported+;multiprocess+"
    ";QStartNoAckMode+;swbreak+;hwbreak+"
).encode()
WAY_BACK: Final = b";ReverseStep+;ReverseContinue+"

_WATCHED: Final = {b"2": (False, True), b"3": (True, False), b"4": (True, True)}
"""Whether loads and stores are watched, by the kind of a watchpoint."""
_WORD: Final = re.compile(rb"[qQv][A-Za-z]+(?:\.[A-Za-z]+)?\??")

Handler: TypeAlias = Callable[[bytes], bytes]
Steer: TypeAlias = Callable[[bytes], Awaitable[list[bytes]]]
"""What takes its time, and may have something for people to say before its reply."""


class Session:
    """A conversation with one debugger, about one guest.

    ``ends`` is set when nothing more is to be said after the reply.
    """

    def __init__(self, debuggee: Debuggee) -> None:
        self._debuggee: Final = debuggee
        self._of: Vcpu = debuggee.vcpus[0]
        """Whose registers and storage are asked for."""
        self._steered = ThreadId(ANY, ANY)
        """Who makes a step that is not said whose: as the debugger last said, stops or not."""
        self._is_physical = False
        self._multiprocess = False
        self.acknowledges = True
        self.ends = False
        self._registers: Final = registers(debuggee.vcpus[0].model.isa)
        self._letters: Final[Mapping[bytes, Handler]] = {
            b"?": self._why, b"g": self._read_all, b"G": self._write_all, b"p": self._read_one,
            b"P": self._write_one, b"m": self._read, b"M": self._write_hex, b"X": self._write,
            b"H": self._choose, b"T": self._is_alive, b"D": self._detach, b"Z": self._insert,
            b"z": self._remove, b"k": self._kill,
        }  # fmt: skip
        self._words: Final[Mapping[bytes, Handler]] = {
            b"qSupported": self._supported,
            b"QStartNoAckMode": self._stop_acknowledging,
            b"qC": lambda _: b"QC" + self._name(self._of),
            b"qfThreadInfo": self._threads,
            b"qsThreadInfo": lambda _: b"l",
            b"qThreadExtraInfo": self._thread_info,
            b"qAttached": lambda _: b"1",
            b"qXfer": self._transfer,
            b"qqemu.PhyMemMode": lambda _: b"%d" % self._is_physical,
            b"Qqemu.PhyMemMode": self._set_physical,
            b"vCont?": lambda _: b"vCont;c;C;s;S",
            b"vKill": self._kill,
        }
        self._steering: Final[Mapping[bytes, Steer]] = {
            b"vCont": self._continue_as, b"c": self._continue, b"s": self._step,
            b"C": self._continue, b"S": self._step, b"b": self._go_back, b"qRcmd": self._monitor,
        }  # fmt: skip

    async def answer(self, packet: bytes) -> list[bytes]:
        """Do what a packet asks for; return what is to be sent, the reply last, if it has one."""
        try:
            word = _word(packet)
            steer = self._steering.get(word) or self._steering.get(packet[:1])
            if steer is not None:
                return await steer(packet)
            handler = self._words.get(word) or self._letters.get(packet[:1])
            reply = UNKNOWN if handler is None else handler(packet)
        except Malformed:
            reply = BAD_PACKET
        except PapvmmError as error:
            return [*_console(f"{error}\n"), FAILED]
        return [] if packet == b"k" else [reply]

    # What there is.

    def _supported(self, packet: bytes) -> bytes:
        offers = packet.partition(b":")[2].split(b";")
        self._multiprocess = b"multiprocess+" in offers
        return FEATURES + (b"" if self._debuggee.history is None else WAY_BACK)

    def _stop_acknowledging(self, _packet: bytes) -> bytes:
        self.acknowledges = False
        return OK

    def _transfer(self, packet: bytes) -> bytes:
        """Give a part of the target description."""
        fields = packet.split(b":")
        if fields[1:-1] != [b"features", b"read", b"target.xml"]:
            return b"E00" if fields[1:3] == [b"features", b"read"] else UNKNOWN
        offset, length = numbers(fields[-1], 2)
        whole = description(self._of.model.isa)
        length = min(length, MOST_BYTES)
        return (b"l" if offset + length >= len(whole) else b"m") + whole[offset : offset + length]

    # Threads.

    def _name(self, vcpu: Vcpu) -> bytes:
        thread = b"%x" % (vcpu.vcpu_id + 1)
        return b"p%x.%b" % (PROCESS, thread) if self._multiprocess else thread

    def _find(self, thread: ThreadId) -> Vcpu | None:
        """Return the first vcpu that is meant: the one chosen, if it is."""
        vcpus = (self._of, *self._debuggee.vcpus)
        return next((vcpu for vcpu in vcpus if thread.means(vcpu)), None)

    def _threads(self, _packet: bytes) -> bytes:
        return b"m" + b",".join(map(self._name, self._debuggee.vcpus))

    def _thread_info(self, packet: bytes) -> bytes:
        vcpu = self._find(thread_id(packet.partition(b",")[2]))
        if vcpu is None:
            return BAD_PACKET
        return thread_info(self._debuggee.guest, vcpu).encode().hex().encode()

    def _choose(self, packet: bytes) -> bytes:
        thread = thread_id(packet[2:])
        vcpu = self._find(thread)
        if vcpu is None or packet[1:2] not in (b"c", b"g"):
            return BAD_PACKET
        if packet[1:2] == b"g":
            self._of = vcpu
        else:
            self._steered = thread
        return OK

    def _is_alive(self, packet: bytes) -> bytes:
        return BAD_PACKET if self._find(thread_id(packet[1:])) is None else OK

    # Registers: in the byte order of the vcpu at the moment, as in QEMU.

    @property
    def _order(self) -> Literal["little", "big"]:
        return "little" if self._of.state.read(MSR) & MSR_LE else "big"

    def _register(self, number_: int) -> Register:
        if number_ >= len(self._registers):
            raise Malformed
        return self._registers[number_]

    def _shown(self, register: Register) -> bytes:
        value, size = register.get(self._of), register.bits // 8
        if value is None:
            return b"x" * (2 * size)
        return value.to_bytes(size, self._order).hex().encode()

    def _read_all(self, _packet: bytes) -> bytes:
        return b"".join(map(self._shown, self._registers[:TOLD_AT_ONCE]))

    def _read_one(self, packet: bytes) -> bytes:
        return self._shown(self._register(number(packet[1:])))

    def _write_all(self, packet: bytes) -> bytes:
        values, rows = data(packet[1:]), self._registers[:TOLD_AT_ONCE]
        if len(values) != sum(row.bits // 8 for row in rows):
            raise Malformed
        order, at = self._order, 0
        for row in rows:
            size = row.bits // 8
            self._debuggee.put(self._of, row, int.from_bytes(values[at : at + size], order))
            at += size
        return OK

    def _write_one(self, packet: bytes) -> bytes:
        which, _, text = packet[1:].partition(b"=")
        register, value = self._register(number(which)), data(text)
        if len(value) != register.bits // 8:
            raise Malformed
        number_ = int.from_bytes(value, self._order)
        return OK if self._debuggee.put(self._of, register, number_) else NOT_WRITABLE

    # Storage.

    @property
    def _seen_by(self) -> Vcpu | None:
        """Whose addresses are meant; nobody's if they are guest physical."""
        return None if self._is_physical else self._of

    def _read(self, packet: bytes) -> bytes:
        address, length = numbers(packet[1:], 2)
        length = min(length, MOST_BYTES)
        found = storage.read(self._debuggee.guest, self._seen_by, address, length)
        return found.hex().encode() if found or not length else NO_MEMORY

    def _write_hex(self, packet: bytes) -> bytes:
        where, _, text = packet[1:].partition(b":")
        return self._put(where, data(text))

    def _write(self, packet: bytes) -> bytes:
        where, _, content = packet[1:].partition(b":")
        return self._put(where, content)

    def _put(self, where: bytes, content: bytes) -> bytes:
        address, length = numbers(where, 2)
        if length != len(content):
            raise Malformed
        done = storage.write(self._debuggee.guest, self._seen_by, address, content)
        return OK if done else NO_MEMORY

    def _set_physical(self, packet: bytes) -> bytes:
        mode = packet.partition(b":")[2]
        if mode not in (b"0", b"1"):
            raise Malformed
        self._is_physical = mode == b"1"
        return OK

    # Breakpoints and watchpoints.

    def _insert(self, packet: bytes) -> bytes:
        point = self._point(packet)
        if point is None:
            return UNKNOWN
        self._debuggee.points.insert(point)
        return OK

    def _remove(self, packet: bytes) -> bytes:
        point = self._point(packet)
        if point is None:
            return UNKNOWN
        self._debuggee.points.remove(point)
        return OK

    def _point(self, packet: bytes) -> Point | None:
        """Return what ``Z`` or ``z`` is about; None if it is nothing that there is."""
        kind, *rest = packet[1:].partition(b";")[0].split(b",")
        if len(rest) != 2:
            raise Malformed
        address, length = map(number, rest)
        if kind in (b"0", b"1"):
            return Breakpoint(is_hardware=kind == b"1", address=address)
        if kind not in _WATCHED:
            return None
        loads, stores = _WATCHED[kind]
        try:
            return Watch(address, length, loads=loads, stores=stores, real=self._is_physical)
        except BadUsage:
            raise Malformed from None

    # Steering.

    def _why(self, _packet: bytes) -> bytes:
        return self._told(self._debuggee.stop)[-1]

    def _told(self, stop: Stop) -> list[bytes]:
        """Return the reply about why the guest rests, whose vcpu is chosen from now on."""
        if isinstance(stop, Ended):
            return [b"W%02x;process:%x" % (stop.code, PROCESS)]
        self._of = stop.vcpu
        reason = f"{stop.reason};" if stop.reason else ""
        reply = b"T%02xthread:%b;" % (stop.signal, self._name(stop.vcpu)) + reason.encode()
        return [*_console(stop.text), reply]

    async def _continue_as(self, packet: bytes) -> list[bytes]:
        asked = actions(packet.removeprefix(b"vCont"))
        stepped = [vcpu for vcpu in self._debuggee.vcpus if _steps(vcpu, asked)]
        if not stepped:
            return self._told(await self._debuggee.go())
        is_any = len(stepped) == len(self._debuggee.vcpus) > 1
        one = None if is_any else stepped[0]
        return self._told(await self._debuggee.go(stepped=one, limit=1))

    async def _continue(self, packet: bytes) -> list[bytes]:
        if len(packet) > 3:
            raise Malformed
        return self._told(await self._debuggee.go())

    async def _step(self, packet: bytes) -> list[bytes]:
        if len(packet) > 3:
            raise Malformed
        return self._told(await self._debuggee.go(stepped=self._find(self._steered), limit=1))

    async def _go_back(self, packet: bytes) -> list[bytes]:
        if self._debuggee.history is None or packet not in (b"bc", b"bs"):
            return [UNKNOWN]
        if packet == b"bc":
            return self._told(self._debuggee.go_back())
        vcpu = self._find(self._steered) or self._of
        return self._told(self._debuggee.step_back(vcpu))

    async def _monitor(self, packet: bytes) -> list[bytes]:
        line = data(packet.partition(b",")[2]).decode(errors="replace")
        text = await human(self._debuggee.control, line, self._of.vcpu_id)
        return [*_console(text), OK]

    # Leaving.

    def _detach(self, _packet: bytes) -> bytes:
        self._debuggee.detach()
        self.ends = True
        return OK

    def _kill(self, _packet: bytes) -> bytes:
        self._debuggee.kill()
        self.ends = True
        return OK


def _word(packet: bytes) -> bytes:
    """Return the name that a packet begins with, if it has more than a letter."""
    match = _WORD.match(packet)
    return match[0] if match else b""


def _console(text: str) -> list[bytes]:
    """Return the packets that show people a text."""
    shown = text.encode()
    parts = range(0, len(shown), MOST_BYTES)
    return [b"O" + shown[at : at + MOST_BYTES].hex().encode() for at in parts]


def _steps(vcpu: Vcpu, asked: list[Action]) -> bool:
    """Tell whether a vcpu is to make a step; one that nothing is said about goes on."""
    return next((action.is_step for action in asked if action.threads.means(vcpu)), False)
