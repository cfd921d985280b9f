"""What the compiler's process runs: jobs come in on stdin, code goes out on stdout."""

import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from papvmm.engine.native.jobs import perform
from papvmm.engine.native.workshop import INTERPRETER, CodeStore, Job
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import LENGTHS
from papvmm.machine.engine_version import engine_version


def serve(requests: BinaryIO, replies: BinaryIO, store: CodeStore) -> None:
    """Do jobs until there are no more; a failure is an answer."""
    while header := requests.read(LENGTHS.size):
        kind, content = LENGTHS.unpack(header)
        job = Job(requests.read(kind).decode(), requests.read(content))
        failure, result = "", b""
        try:
            result = perform(job)
            if job == INTERPRETER:
                store.save(job.kind, result)
        except Exception as error:  # noqa: BLE001 - whatever LLVM comes up with, the guest runs on
            failure = f"{type(error).__name__}: {error}".splitlines()[0]
        reason = failure.encode()
        replies.write(LENGTHS.pack(len(reason), len(result)) + reason + result)
        replies.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    here = DiskStore(cache_directory(), engine_version)
    with suppress(BrokenPipeError):  # the guest may be gone
        serve(sys.stdin.buffer, sys.stdout.buffer, here)
