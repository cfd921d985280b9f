"""The compiler: processes of their own, as LLVM takes its time and a lot of memory.

One does what the guest waits for. The whole interpreter is made by another one, which has what
processor time is left over.

Both directions carry frames: lengths, then byte strings. A request is a job's kind, name and
content; a reply, in the order of the requests, is an error and a content, one of them empty.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Final, TypeAlias

from papvmm.engine.native.workshop import INTERPRETER, Finished, Job
from papvmm.machine.engine_version import engine_version

MODULE: Final = "papvmm.machine.compiling"
LEFT_OVER: Final = 10
"""Niceness of what nobody waits for; with 19 it would never be done on a host that is busy."""
REQUEST: Final = Struct("<III")
REPLY: Final = Struct("<II")
CHUNK: Final = 1 << 16
STDIN, STDOUT, STDERR = range(3)
CLOSED: Final = -1
WORTH_A_WORD: Final = 1.0
"""Seconds that may pass before somebody is told."""


Tell: TypeAlias = Callable[[str], None]
"""Says a line to people."""


class Process:
    """A child of ours at the other end of two pipes, which don't block.

    It is made without ``subprocess``: to import that takes longer than to start a child.
    """

    def __init__(self, command: list[str]) -> None:
        theirs, self.input = os.pipe()
        self.output, answers = os.pipe()
        try:
            self.pid: Final = os.posix_spawn(
                command[0],
                command,
                os.environ,
                file_actions=(
                    (os.POSIX_SPAWN_DUP2, theirs, STDIN),
                    (os.POSIX_SPAWN_DUP2, answers, STDOUT),
                    (os.POSIX_SPAWN_OPEN, STDERR, os.devnull, os.O_WRONLY, 0),
                ),
            )
        except OSError:
            os.close(self.input)
            os.close(self.output)
            raise
        finally:
            os.close(theirs)
            os.close(answers)
        for pipe in (self.input, self.output):
            os.set_blocking(pipe, False)

    def close_input(self) -> None:
        """Let it end when it has read and done everything."""
        if self.input != CLOSED:
            self.input = _closed(self.input)
            _ending.add(self.pid)

    def let_go(self) -> None:
        """Let it end after the job it is at; nobody waits for it."""
        self.close_input()
        self.output = _closed(self.output)


_ending: Final[set[int]] = set()
"""Processes that end, and stay as zombies until they are asked about."""


def reap() -> None:
    """Have the host forget those of our processes that have ended."""
    for pid in tuple(_ending):
        try:
            has_ended = bool(os.waitpid(pid, os.WNOHANG)[0])
        except ChildProcessError:  # whoever started us has its children forgotten at once
            has_ended = True
        if has_ended:
            _ending.discard(pid)


class Worker:
    """A process that does jobs one after another; its niceness is on top of our own.

    LLVM may crash at a job. If the process got as far as to a job after others, that one has
    failed, and another process does the rest.
    """

    def __init__(self, niceness: int = 0) -> None:
        self.pending: Final[deque[Job]] = deque()
        self.why_lost = ""
        """Why it does nothing more, if that is so."""
        self._unsent: Final = bytearray()
        """What the pipe has no room for: its reader may be waiting for us to read."""
        self._received: Final = bytearray()
        self._niceness: Final = niceness
        self._has_finished = False
        self._process: Process | None = None
        self._start()

    def _start(self) -> None:
        import weakref  # noqa: PLC0415 - most starts find everything compiled

        self._has_finished = False
        command = [sys.executable, "-m", MODULE, str(self._niceness), engine_version()]
        try:
            self._process = Process(command)
        except OSError as error:
            self.why_lost = str(error)
            return
        weakref.finalize(self, self._process.let_go)

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self.pending.append(job)
        if self._process is None and not self.why_lost:
            self._start()
        self._queue(job)
        self._send()

    def _queue(self, job: Job) -> None:
        parts = (job.kind.encode(), job.name.encode(), job.request)
        self._unsent.extend(REQUEST.pack(*map(len, parts)) + b"".join(parts))

    def finished(self) -> Iterator[Finished]:
        """Yield the jobs finished since the last time; all of them if no more will be."""
        if self.pending:
            self._send()
            has_ended = self._receive()
            yield from self._replies()
            if has_ended and self.pending:
                yield from self._after_crash()
        if self.why_lost:
            yield from [Finished(job, None) for job in self.pending]
            self.pending.clear()

    def _after_crash(self) -> Iterator[Finished]:
        """Go on without the job the process ended at; not if it could not do any."""
        if self.why_lost or not self._has_finished:
            self.why_lost = self.why_lost or "its process ended"
            return
        yield Finished(self.pending.popleft(), None)
        if self._process is not None:
            self._process.let_go()
        self._unsent.clear()
        self._received.clear()
        if self.pending:
            self._start()
        else:
            self._process = None
        for job in self.pending:
            self._queue(job)
        self._send()

    def dismiss(self) -> None:
        """Let the process end when it has done its jobs, which must have been short to tell."""
        if self._process is not None:
            self._process.close_input()

    def _send(self) -> None:
        """Write what there is to be written, as far as the pipe takes it."""
        process = self._process
        if process is None or self.why_lost:
            return
        try:
            while self._unsent:
                del self._unsent[: os.write(process.input, self._unsent)]
        except (BlockingIOError, BrokenPipeError):  # of the latter, reading tells
            return
        except OSError as error:
            self.why_lost = str(error)

    def _receive(self) -> bool:
        """Read what the process has written so far; tell whether it has ended."""
        process = self._process
        if process is None or self.why_lost:
            return False
        try:
            while chunk := os.read(process.output, CHUNK):
                self._received.extend(chunk)
        except BlockingIOError:
            return False
        return True

    def _replies(self) -> Iterator[Finished]:
        """Yield the jobs whose replies are complete."""
        received = self._received
        while len(received) >= REPLY.size:
            failure, content = REPLY.unpack_from(received)
            end = REPLY.size + failure + content
            if len(received) < end:
                return
            reason = received[REPLY.size : REPLY.size + failure].decode()
            result = None if reason else bytes(received[end - content : end])
            del received[:end]
            self.why_lost = self.why_lost or reason
            self._has_finished = True
            yield Finished(self.pending.popleft(), result)


class CompilerProcess:
    """A ``Compiler`` that starts its processes for their first jobs, if none was started early.

    With ``waits``, ``finished`` waits for all jobs: for tests and measurements. ``tell`` gets
    a line for people if the first job takes long, or if there is no compiler. The processes
    keep the results for the next time, as a guest may end before they are ready.

    As long as the interpreter is being made for one guest of a process, the others of that process
    do without (a test that starts hundreds would start as many compilers); unless one ``waits``.
    """

    def __init__(self, tell: Tell | None, *, waits: bool = False) -> None:
        self._tell: Final = tell
        self._waits: Final = waits
        self._prompt: Worker | None = _early.pop() if _early else None
        self._whole: Worker | None = None
        self._started = 0.0
        self._has_finished = False
        self._told_delay = False
        self._told_loss = False

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self._started = self._started or time.monotonic()
        if job == INTERPRETER:
            reap()
            if self._waits or not _is_being_made():
                self._whole = self._whole or Worker(LEFT_OVER)
                self._whole.submit(job)
                self._whole.dismiss()
                _making.update(_ending)
        else:
            self._prompt = self._prompt or Worker()
            self._prompt.submit(job)

    def finished(self) -> Sequence[Finished]:
        """Return the jobs finished since the last call."""
        reap()
        workers = [worker for worker in (self._prompt, self._whole) if worker is not None]
        done = [one for worker in workers for one in worker.finished()]
        while self._waits and any(worker.pending for worker in workers):
            time.sleep(0.001)
            done += [one for worker in workers for one in worker.finished()]
        self._has_finished |= bool(done)
        self._mention(workers)
        return done

    def _mention(self, workers: Sequence[Worker]) -> None:
        """Say what people should know, once."""
        lost = [worker.why_lost for worker in workers if worker.why_lost]
        if lost and not self._told_loss:
            self._told_loss = True
            self._say(f"nothing more is compiled, and the guest runs on without: {lost[0]}")
        waiting = not self._has_finished and any(worker.pending for worker in workers)
        if waiting and not self._told_delay and time.monotonic() - self._started > WORTH_A_WORD:
            self._told_delay = True
            self._say("compiling the native engine; until then the Python engine runs the guest")

    def _say(self, line: str) -> None:
        if self._tell is not None:
            self._tell(line)


_early: Final[list[Worker]] = []
_making: Final[set[int]] = set()
"""The process that makes the interpreter, among others that were ending when it began."""


def _is_being_made() -> bool:
    _making.intersection_update(_ending)
    return bool(_making)


def start_early() -> None:
    """Start a process now that the next ``CompilerProcess`` of this one will make use of."""
    _early.append(Worker())


def _closed(pipe: int) -> int:
    """Close a pipe, unless it is; return what says that it is."""
    if pipe != CLOSED:
        os.close(pipe)
    return CLOSED
