"""What a log tells, as values, and as payloads of its frames."""

import zlib
from enum import IntEnum
from typing import Final, NamedTuple

from papvmm.bits import M64
from papvmm.control.recording.frames import Fields, Payload
from papvmm.control.recording.possible import check_registers
from papvmm.digests import SIZE
from papvmm.errors import BadInput
from papvmm.isa.state import STATE_SIZE
from papvmm.machine.guest import Guest
from papvmm.machine.inputs import (
    Input,
    Keys,
    Memory,
    OneReg,
    Registers,
    Reset,
    SystemReset,
    Warp,
)
from papvmm.machine.player import Noted
from papvmm.machine.position import LATER, Position
from papvmm.trace.events import HcallDone

_MOST_CALLS_BYTES: Final = 1 << 28


class InputKind(IntEnum):
    """Kinds of inputs, as the log numbers them."""

    KEYS = 0
    WARP = 1
    RESET = 2
    ONE_REG = 3
    REGISTERS = 4
    MEMORY = 5
    SYSTEM_RESET = 6


class Call(NamedTuple):
    """A hypercall: ``told`` is a checksum of its arguments and its answer."""

    icount: int
    vcpu_id: int
    name: str
    told: int


class Mark(NamedTuple):
    """What the state was at a moment, after so many hypercalls since the log's beginning."""

    position: Position
    calls: int
    digest: str


class End(NamedTuple):
    """How the run ended: ``outcome`` is its name; ``why`` is whose doing it was, if a person's."""

    position: Position
    outcome: str
    why: str
    digest: str


def call_of(event: HcallDone) -> Call:
    """Return what the log tells of a hypercall."""
    told = repr((event.args, event.status, event.outputs)).encode()
    return Call(event.icount, event.vcpu_id, event.name, zlib.crc32(told))


# To payloads.


def input_payload(noted: Noted) -> bytes:
    """Return the payload that tells of an input."""
    payload = Payload()
    _add_position(payload, noted.position)
    match noted.given:
        case Keys(characters):
            payload.number(InputKind.KEYS)
            payload.data(characters)
        case Warp(count):
            payload.number(InputKind.WARP)
            payload.number(count)
        case Reset(reason):
            payload.number(InputKind.RESET)
            payload.text(reason)
        case OneReg(vcpu_id, register, value):
            payload.number(InputKind.ONE_REG)
            payload.number(vcpu_id)
            payload.number(register)
            payload.numbers(value)
        case Registers(vcpu_id, changes):
            payload.number(InputKind.REGISTERS)
            payload.number(vcpu_id)
            payload.number(len(changes))
            for offset, data in changes:
                payload.number(offset)
                payload.data(data)
        case Memory(gpa, data):
            payload.number(InputKind.MEMORY)
            payload.number(gpa)
            payload.data(data)
        case SystemReset(vcpu_id):
            payload.number(InputKind.SYSTEM_RESET)
            payload.number(vcpu_id)
    return bytes(payload)


def calls_payload(calls: list[Call]) -> bytes:
    """Return the payload that tells of hypercalls: lines, compressed."""
    lines = "\n".join(
        f"{call.icount:x} {call.vcpu_id:x} {call.name} {call.told:x}" for call in calls
    )
    return zlib.compress(lines.encode(), 1)


def mark_payload(mark: Mark) -> bytes:
    """Return the payload that tells of the state."""
    payload = Payload()
    _add_position(payload, mark.position)
    payload.number(mark.calls)
    payload.data(bytes.fromhex(mark.digest))
    return bytes(payload)


def end_payload(end: End) -> bytes:
    """Return the payload that tells of the end."""
    payload = Payload()
    _add_position(payload, end.position)
    payload.text(end.outcome)
    payload.text(end.why)
    payload.data(bytes.fromhex(end.digest))
    return bytes(payload)


def _add_position(payload: Payload, position: Position) -> None:
    for number in position:
        payload.number(number)


# From payloads.


def read_input(payload: bytes, guest: Guest) -> Noted:
    """Read what ``input_payload`` returned; BadInput if it can't reach this guest."""
    fields = Fields(payload)
    position = _position(fields)
    given = _given(fields, InputKind(fields.number(InputKind.SYSTEM_RESET)), guest)
    fields.done()
    return Noted(position, given)


def _given(fields: Fields, kind: InputKind, guest: Guest) -> Input:
    last = len(guest.vcpus) - 1
    match kind:
        case InputKind.KEYS:
            return Keys(fields.data())
        case InputKind.WARP:
            return Warp(fields.number(LATER))
        case InputKind.RESET:
            return Reset(fields.text())
        case InputKind.ONE_REG:
            return OneReg(fields.number(last), fields.number(M64), fields.numbers(M64))
        case InputKind.REGISTERS:
            return _registers(fields, fields.number(last))
        case InputKind.MEMORY:
            gpa, data = fields.number(guest.memory.size), fields.data()
            if not guest.memory.holds(gpa, len(data)):
                raise BadInput("log is damaged: a store is outside RAM")
            return Memory(gpa, data)
        case InputKind.SYSTEM_RESET:
            return SystemReset(fields.number(last))


def _registers(fields: Fields, vcpu_id: int) -> Registers:
    count = fields.number(STATE_SIZE)
    changes = tuple((fields.number(STATE_SIZE), fields.data()) for _ in range(count))
    registers = Registers(vcpu_id, changes)
    check_registers(registers)
    return registers


def read_calls(payload: bytes) -> list[Call]:
    """Read what ``calls_payload`` returned."""
    try:
        text = zlib.decompressobj().decompress(payload, _MOST_CALLS_BYTES).decode()
        return [_call(line) for line in text.split("\n") if line]
    except (zlib.error, ValueError):
        raise BadInput("log is damaged: it has no hypercalls where some should be") from None


def _call(line: str) -> Call:
    icount, vcpu_id, name, told = line.split(" ")
    return Call(int(icount, 16), int(vcpu_id, 16), name, int(told, 16))


def read_mark(payload: bytes) -> Mark:
    """Read what ``mark_payload`` returned."""
    fields = Fields(payload)
    mark = Mark(_position(fields), fields.number(LATER), _digest(fields))
    fields.done()
    return mark


def read_end(payload: bytes) -> End:
    """Read what ``end_payload`` returned."""
    fields = Fields(payload)
    end = End(_position(fields), fields.text(), fields.text(), _digest(fields))
    fields.done()
    return end


def _position(fields: Fields) -> Position:
    icount, inputs, time, phase = (fields.number(LATER - 1) for _ in range(4))
    return Position(icount, inputs, time, phase, fields.number(M64))


def _digest(fields: Fields) -> str:
    digest = fields.data()
    if len(digest) != SIZE:
        raise BadInput("log is damaged: a digest has another length")
    return digest.hex()
