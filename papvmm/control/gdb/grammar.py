"""How packets are written: numbers, thread ids, and what ``vCont`` asks for."""

import re
from typing import Final, NamedTuple

from papvmm.control.gdb.threads import ALL, PROCESS, ThreadId


class Malformed(Exception):
    """A packet is not written as it must be."""


_HEX: Final = re.compile(rb"[0-9a-fA-F]{1,16}")
_THREAD: Final = re.compile(rb"(?:p(-1|[0-9a-fA-F]{1,8})(?:\.(?=.))?)?(-1|[0-9a-fA-F]{1,8})?")


def number(text: bytes) -> int:
    """Read an unsigned number of 64 bits, in hexadecimal."""
    if not _HEX.fullmatch(text):
        raise Malformed
    return int(text, 16)


def numbers(text: bytes, count: int) -> list[int]:
    """Read so many numbers with commas between them."""
    parts = text.split(b",")
    if len(parts) != count:
        raise Malformed
    return [number(part) for part in parts]


def data(text: bytes) -> bytes:
    """Read bytes in hexadecimal."""
    if not re.fullmatch(rb"(?:[0-9a-fA-F]{2})*", text):
        raise Malformed
    return bytes.fromhex(text.decode())


def thread_id(text: bytes) -> ThreadId:
    """Read ``p1.2``, ``p1`` (all its threads) or ``2``; -1 is all, 0 is any."""
    match = _THREAD.fullmatch(text)
    if match is None or not text:
        raise Malformed
    process, thread = match.groups()
    return ThreadId(_one(process, PROCESS), _one(thread, ALL))


def _one(text: bytes | None, default: int) -> int:
    return default if text is None else ALL if text == b"-1" else int(text, 16)


class Action(NamedTuple):
    """What threads are to do: one step, or to go on."""

    is_step: bool
    threads: ThreadId


def actions(text: bytes) -> list[Action]:
    """Read what follows ``vCont``: the first action that means a thread is its own."""
    found = []
    for part in text.removeprefix(b";").split(b";"):
        what, colon, threads = part.partition(b":")
        if not re.fullmatch(rb"[cs]|[CS][0-9a-fA-F]{2}", what):
            raise Malformed
        meant = thread_id(threads) if colon else ThreadId(ALL, ALL)
        found.append(Action(what[:1] in b"sS", meant))
    return found
