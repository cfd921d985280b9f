"""A root file system for Linux to start with, as a cpio archive of format newc.

Linux: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

DIRECTORY: Final = 0o040755
CHARACTER_DEVICE: Final = 0o020600
PROGRAM: Final = 0o100755

CONSOLE: Final = (5, 1)
"""Major and minor number of /dev/console."""


class Member(NamedTuple):
    """A file: its path without the first slash, st_mode, content, and device numbers."""

    path: str
    mode: int
    data: bytes = b""
    device: tuple[int, int] = (0, 0)


def initramfs(members: Iterable[Member]) -> bytes:
    """Return the archive; a directory comes before what is in it."""
    return b"".join(map(_record, (*members, Member("TRAILER!!!", 0))))


def _record(member: Member) -> bytes:
    length, name_length = len(member.data), len(member.path) + 1
    fields = (0, member.mode, 0, 0, 1, 0, length, 0, 0, *member.device, name_length, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields)
    name = header + member.path.encode() + b"\0"
    return b"".join(part + bytes(-len(part) % 4) for part in (name, member.data))
