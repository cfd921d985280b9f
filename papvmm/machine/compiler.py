"""The compiler: a process of its own, as LLVM takes its time and a lot of memory.

Both directions carry frames: lengths, then byte strings. A request is a job's kind, name and
content; a reply, in the order of the requests, is an error and a content, one of them empty.
"""

import os
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from struct import Struct
from typing import Final, TypeAlias

from papvmm.engine.native.workshop import Finished, Job

REQUEST: Final = Struct("<III")
REPLY: Final = Struct("<II")
CHUNK: Final = 1 << 16
WORTH_A_WORD: Final = 1.0
"""Seconds that may pass before somebody is told."""


Tell: TypeAlias = Callable[[str], None]
"""Says a line to people."""


class CompilerProcess:
    """A ``Compiler`` that starts its process for the first job.

    With ``waits``, ``finished`` waits for all jobs: for tests and measurements. ``tell`` gets
    a line for people if the first job takes long, or if there is no compiler. The process
    keeps the results for the next time, as a guest may end before they are ready.
    """

    def __init__(self, tell: Tell | None, *, waits: bool = False) -> None:
        self._tell: Final = tell
        self._waits: Final = waits
        self._pending: Final[deque[Job]] = deque()
        self._received: Final = bytearray()
        self._process: subprocess.Popen[bytes] | None = None
        self._is_lost = False
        self._started = 0.0
        self._told = False

    def submit(self, job: Job) -> None:
        """Take a job on."""
        self._pending.append(job)
        if self._process is None and not self._is_lost:
            self._start()
        parts = (job.kind.encode(), job.name.encode(), job.request)
        self._send(REQUEST.pack(*map(len, parts)) + b"".join(parts))

    def finished(self) -> Sequence[Finished]:
        """Return the jobs finished since the last call."""
        done: list[Finished] = []
        if self._pending:
            self._receive()
            done.extend(self._replies())
            while self._waits and self._pending and not self._is_lost:
                time.sleep(0.001)
                self._receive()
                done.extend(self._replies())
            if self._is_lost:
                done += [Finished(job, None) for job in self._pending]
                self._pending.clear()
            self._mention_delay()
        return done

    def _start(self) -> None:
        self._started = time.monotonic()
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "papvmm.machine.compiling"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                bufsize=0,
            )
        except OSError as error:
            self._lose(str(error))
            return
        self._process = process
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        weakref.finalize(self, _end, process)

    def _send(self, frame: bytes) -> None:
        if self._process is not None and not self._is_lost:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(frame)
            except OSError as error:
                self._lose(str(error))

    def _receive(self) -> None:
        """Read what the process has written so far."""
        process = self._process
        if process is None or self._is_lost:
            return
        assert process.stdout is not None
        while (chunk := process.stdout.read(CHUNK)) is not None:
            if not chunk:
                self._lose("its process ended")
                return
            self._received.extend(chunk)

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
            if reason:
                self._lose(reason)
            yield Finished(self._pending.popleft(), result)

    def _mention_delay(self) -> None:
        if self._pending and not self._told and time.monotonic() - self._started > WORTH_A_WORD:
            self._told = True
            self._say("compiling the native engine; until then the Python engine runs the guest")

    def _lose(self, why: str) -> None:
        """Give up compiling, and say so."""
        if not self._is_lost:
            self._is_lost = True
            self._say(f"nothing more is compiled, and the guest runs on without: {why}")

    def _say(self, line: str) -> None:
        if self._tell is not None:
            self._tell(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Let the process go: it ends after the job it is at."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    if process.poll() is None:
        process.returncode = 0  # nobody waits for it
