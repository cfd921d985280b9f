"""The server's half of the QMP conversation, without any I/O.

A session begins with the greeting. The first command must be ``qmp_capabilities``; from then on
commands are carried out in order, apart from those executed out of band, and events may be sent.
Each message of the client gets one answer, in order: a return, or an error of a class and with
a description. ``id``, if there was one, comes back with the answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from papvmm.control.qmp.message import encode, objects
from papvmm.control.qmp.schema import Act, BadArgument, Command
from papvmm.control.strict_json import Json, NotJson, Object
from papvmm.control.version import PACKAGE, QEMU

LONGEST: Final = 1 << 16
"""Bytes of the longest line a client may send."""

OOB: Final = "oob"
NEGOTIATE: Final = "qmp_capabilities"
MEMBERS: Final = ("execute", "exec-oob", "arguments", "id")

VERSION: Final[Object] = {
    "qemu": {"major": QEMU[0], "minor": QEMU[1], "micro": QEMU[2]},
    "package": PACKAGE,
}


class ErrorClass(Enum):
    """QMP's classes of errors that papvmm has."""

    GENERIC_ERROR = "GenericError"
    COMMAND_NOT_FOUND = "CommandNotFound"


@dataclass(frozen=True, slots=True)
class Request:
    """A command to carry out; ``tag`` is what its answer carries: the ``id``, or nothing."""

    act: Act
    out_of_band: bool
    tag: Object


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is known already; ``fields`` is all of it.

    ``begins`` marks the one that ends the negotiation: events may follow it.
    """

    fields: Object
    begins: bool = False


Item: TypeAlias = Request | Answer


class Refused(Exception):
    """A message can't be carried out; its answer is this error."""

    def __init__(self, error_class: ErrorClass, why: str) -> None:
        super().__init__(why)
        self.error_class: Final = error_class


def greeting() -> bytes:
    """Return what the server sends first."""
    return encode({"QMP": {"version": VERSION, "capabilities": [OOB]}})


def success(request: Request, value: Json) -> Answer:
    """Answer a request that was carried out."""
    return Answer({"return": value, **request.tag})


def failure(tag: Object, why: str, error_class: ErrorClass = ErrorClass.GENERIC_ERROR) -> Answer:
    """Answer a message that was not."""
    return Answer({"error": {"class": error_class.value, "desc": why}, **tag})


def event(name: str, data: Object, now: int) -> bytes:
    """Return an event to send; ``now`` is in microseconds since 1970."""
    seconds, microseconds = divmod(now, 1_000_000)
    timestamp: Object = {"seconds": seconds, "microseconds": microseconds}
    return encode({"event": name, "data": data, "timestamp": timestamp})


class Session:
    """One client's conversation."""

    def __init__(self, commands: Mapping[str, Command]) -> None:
        self._commands: Final = commands
        self._negotiated = False
        self._oob = False
        self._buffer: Final = bytearray()
        self._skipping = False

    def feed(self, data: bytes) -> list[Item]:
        """Take bytes of the client; return what they ask for, in order."""
        *lines, rest = data.split(b"\n")
        items: list[Item] = []
        for line in lines:
            items += self._collect(line)
            items += self._end_line()
        items += self._collect(rest)
        if self._buffer.rstrip().endswith(b"}"):
            items += self._without_newline()
        return items

    def end(self) -> list[Item]:
        """Take the end of the client's bytes."""
        return self._end_line()

    def _collect(self, data: bytes) -> list[Item]:
        if self._skipping:
            return []
        self._buffer.extend(data)
        if len(self._buffer) <= LONGEST:
            return []
        self._buffer.clear()
        self._skipping = True
        return [failure({}, f"a line is longer than {LONGEST} bytes")]

    def _end_line(self) -> list[Item]:
        line = bytes(self._buffer)
        self._buffer.clear()
        self._skipping = False
        items: list[Item] = []
        try:
            items.extend(self._interpret(message) for message in objects(line))
        except NotJson as error:
            items.append(failure({}, str(error)))
        return items

    def _without_newline(self) -> list[Item]:
        """Take messages that are whole although their line isn't: some clients end no line."""
        try:
            messages = list(objects(bytes(self._buffer)))
        except NotJson:
            return []
        self._buffer.clear()
        return [self._interpret(message) for message in messages]

    def _interpret(self, message: Object) -> Item:
        tag: Object = {"id": message["id"]} if "id" in message else {}
        try:
            return self._request(message, tag)
        except Refused as refused:
            return failure(tag, str(refused), refused.error_class)
        except BadArgument as error:
            return failure(tag, str(error))

    def _request(self, message: Object, tag: Object) -> Item:
        name, out_of_band = _command_name(message)
        arguments = message.get("arguments", {})
        if not isinstance(arguments, dict):
            raise Refused(ErrorClass.GENERIC_ERROR, "the member 'arguments' must be an object")
        if name == NEGOTIATE:
            self._negotiate(arguments)
            return Answer({"return": {}, **tag}, begins=True)
        if not self._negotiated:
            raise Refused(
                ErrorClass.COMMAND_NOT_FOUND,
                f"{name!r}: the first command must be {NEGOTIATE}",
            )
        command = self._commands.get(name)
        if command is None:
            raise Refused(ErrorClass.COMMAND_NOT_FOUND, f"there is no command {name!r}")
        if out_of_band and not (self._oob and command.oob):
            raise Refused(ErrorClass.GENERIC_ERROR, f"{name} can't be executed out of band")
        return Request(command.bind(arguments), out_of_band, tag)

    def _negotiate(self, arguments: Object) -> None:
        if self._negotiated:
            raise Refused(ErrorClass.COMMAND_NOT_FOUND, f"{NEGOTIATE} comes first, and only once")
        wanted = arguments.get("enable", [])
        for argument in arguments:
            if argument != "enable":
                raise BadArgument(f"{NEGOTIATE} has no argument {argument!r}")
        if not isinstance(wanted, list):
            raise BadArgument("the argument 'enable' must be a list")
        for capability in wanted:
            if capability != OOB:
                raise BadArgument(f"the argument 'enable' lists {capability!r}: there is {OOB!r}")
        self._oob = bool(wanted)
        self._negotiated = True


def _command_name(message: Object) -> tuple[str, bool]:
    """Return the name of the command to execute, and whether out of band."""
    for member in message:
        if member not in MEMBERS:
            raise Refused(ErrorClass.GENERIC_ERROR, f"the member {member!r} is unknown")
    if ("execute" in message) == ("exec-oob" in message):
        raise Refused(ErrorClass.GENERIC_ERROR, "a message has either 'execute' or 'exec-oob'")
    out_of_band = "exec-oob" in message
    name = message["exec-oob" if out_of_band else "execute"]
    if not isinstance(name, str):
        raise Refused(ErrorClass.GENERIC_ERROR, "the command's name must be a string")
    return name, out_of_band
