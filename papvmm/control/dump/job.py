"""Writing core files: one at a time, of a guest that rests meanwhile, while others are served."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Literal, NamedTuple, TypeAlias

from papvmm.control.dump.core_file import CoreFile, core_file
from papvmm.control.dump.target import Outlet, open_target, write_all, write_sparsely
from papvmm.control.received_files import ReceivedFiles
from papvmm.errors import PapvmmError
from papvmm.machine.machine import Machine
from papvmm.machine.runstate import RunState
from papvmm.memory.guest_memory import OutOfRange

PIECE: Final = 4 << 20
"""Bytes that are written between two turns of everybody else: some milliseconds."""

Status: TypeAlias = Literal["none", "active", "completed", "failed"]


class DumpFailed(PapvmmError):
    """There is no dump; the text says why."""


class Progress(NamedTuple):
    """How the latest dump is getting on, in bytes."""

    status: Status = "none"
    completed: int = 0
    total: int = 0


class Wanted(NamedTuple):
    """What to dump, and where to: ``file:PATH`` or ``fd:NAME``. Without a length, all RAM.

    ``paging`` asks for the kernel's effective addresses, too.
    """

    protocol: str
    begin: int | None = None
    length: int | None = None
    paging: bool = False


class Area(NamedTuple):
    """Which RAM, and whether by the kernel's effective addresses, too."""

    gpa: int
    length: int
    paging: bool


class Dumps:
    """The dumps of one machine."""

    def __init__(self) -> None:
        self.progress = Progress()
        self.on_end: Final[list[Callable[[Progress, str], None]]] = []
        """Called when a dump has ended, with why it failed, or nothing."""
        self.guest_rests = False
        """Whether the guest rests so that a dump is of one moment."""
        self._task: asyncio.Task[str] | None = None

    async def dump(self, machine: Machine, wanted: Wanted, files: ReceivedFiles) -> None:
        """Write a dump; DumpFailed says why there is none."""
        self.begin(machine, wanted, files)
        assert self._task is not None
        why = await self._task
        if why:
            raise DumpFailed(why)

    def begin(self, machine: Machine, wanted: Wanted, files: ReceivedFiles) -> None:
        """Begin to write a dump; what is wrong with what is wanted is raised at once."""
        if self.progress.status == "active":
            raise DumpFailed("a dump is being written: please wait")
        area = _range(machine, wanted)
        with ExitStack() as stack:
            outlet = stack.enter_context(open_target(wanted.protocol, files))
            self.progress = Progress("active", 0, area.length)
            opened = stack.pop_all()
        self._task = asyncio.create_task(self._write(machine, area, outlet, opened))

    async def close(self) -> None:
        """Give up a dump that is being written; nothing of it is left."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _write(self, machine: Machine, area: Area, outlet: Outlet, opened: ExitStack) -> str:
        why = ""
        try:
            with opened:
                await self._write_at_rest(machine, area, outlet.file)
                await outlet.finish()
        except (OSError, PapvmmError) as error:
            why = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        finally:
            _, completed, total = self.progress
            is_whole = completed == total and not why
            self.progress = Progress("completed" if is_whole else "failed", completed, total)
        for listener in self.on_end:
            listener(self.progress, why)
        return why

    async def _write_at_rest(self, machine: Machine, area: Area, file: int) -> None:
        """Write a core file while the guest rests, which goes on afterwards if it ran."""
        runs = machine.run_state is RunState.RUNNING
        await machine.pause()
        self.guest_rests = True
        try:
            os.ftruncate(file, os.lseek(file, 0, os.SEEK_CUR))
            core = await core_file(machine.guest, area.gpa, area.length, paging=area.paging)
            write_all(file, core.head)
            os.lseek(file, core.start - len(core.head), os.SEEK_CUR)
            await self._write_ram(machine, core, file)
        finally:
            self.guest_rests = False
            if runs and machine.run_state is RunState.PAUSED:
                machine.resume()

    async def _write_ram(self, machine: Machine, core: CoreFile, file: int) -> None:
        """Write RAM at the file's position; what holds nothing isn't even looked at."""
        guest, end = machine.guest, core.gpa + core.length
        base = os.lseek(file, 0, os.SEEK_CUR) - core.gpa
        for gpa in range(core.gpa, end, PIECE):
            after = min(gpa + PIECE, end)
            for start, stop in guest.dirty_pages.populated(gpa, after):
                os.lseek(file, base + start, os.SEEK_SET)
                write_sparsely(file, guest.memory.ram[start:stop])
            self.progress = self.progress._replace(completed=after - core.gpa)
            await asyncio.sleep(0)
        os.lseek(file, base + end, os.SEEK_SET)


def _range(machine: Machine, wanted: Wanted) -> Area:
    """Return what RAM is wanted; errors if there is no such."""
    memory = machine.guest.memory
    if (wanted.begin is None) != (wanted.length is None):
        raise DumpFailed("begin and length go together")
    if wanted.paging and wanted.begin is not None:
        raise DumpFailed("paging is for all RAM: leave begin and length out")
    begin, length = wanted.begin or 0, wanted.length
    if length is None:
        length = memory.size
    if not length:
        raise DumpFailed("a dump of nothing: length is 0")
    if not memory.holds(begin, length):
        raise OutOfRange(begin, length)
    return Area(begin, length, wanted.paging)
