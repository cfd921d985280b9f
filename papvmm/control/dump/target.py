"""Where a dump goes: a new file, or one that a client has handed over."""

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from papvmm.control.host_file import CanNotWrite, new_file
from papvmm.control.received_files import ReceivedFiles

BLOCK: Final = 1 << 16
"""Bytes that take no room in a file if they are all zeros."""
_ZEROS: Final = bytes(BLOCK)


class Outlet:
    """A regular file to write to; with ``finish``, all that was written has come to its end."""

    def __init__(self, file: int) -> None:
        self.file: Final = file

    async def finish(self) -> None:
        """Make the file as long as what was written, zeros included."""
        os.ftruncate(self.file, os.lseek(self.file, 0, os.SEEK_CUR))


class Stream(Outlet):
    """A file in memory that is poured into a pipe or socket in the end, however slow its reader.

    The guest need not rest for that.
    """

    def __init__(self, file: int, stream: int) -> None:
        super().__init__(file)
        self._stream: Final = stream

    async def finish(self) -> None:
        """Pour it out."""
        await super().finish()
        os.lseek(self.file, 0, os.SEEK_SET)
        os.set_blocking(self._stream, False)
        loop, room = asyncio.get_running_loop(), asyncio.Event()
        left = memoryview(b"")
        loop.add_writer(self._stream, room.set)
        try:
            while left or (left := memoryview(os.read(self.file, BLOCK))):
                room.clear()
                await room.wait()
                with suppress(BlockingIOError):
                    left = left[os.write(self._stream, left) :]
        finally:
            loop.remove_writer(self._stream)


@contextmanager
def open_target(protocol: str, files: ReceivedFiles) -> Iterator[Outlet]:
    """Open ``file:PATH``, or take ``fd:NAME``; CanNotWrite says what is wrong."""
    kind, _, name = protocol.partition(":")
    if kind == "file" and name:
        with new_file(name) as file:
            yield Outlet(file)
    elif kind == "fd" and name:
        taken = files.take(name)
        try:
            yield from _taken(name, taken)
        finally:
            os.close(taken)
    else:
        raise CanNotWrite(f"protocol '{protocol}': write file:PATH or fd:NAME")


def _taken(name: str, descriptor: int) -> Iterator[Outlet]:
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        yield Outlet(descriptor)
    elif stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        try:
            memory = os.memfd_create("dump")
        except OSError as error:
            raise CanNotWrite(f"fd:{name}: {error.strerror}") from None
        try:
            yield Stream(memory, descriptor)
        finally:
            os.close(memory)
    else:
        raise CanNotWrite(f"fd:{name} is neither a file nor a pipe nor a socket")


def write_sparsely(file: int, data: memoryview) -> None:
    """Write at the file's position, leaving holes for blocks of zeros."""
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK].tobytes()
        if block == _ZEROS[: len(block)]:
            os.lseek(file, len(block), os.SEEK_CUR)
        else:
            write_all(file, block)


def write_all(file: int, data: bytes) -> None:
    """Write all of it."""
    left = memoryview(data)
    while left:
        left = left[os.write(file, left) :]
