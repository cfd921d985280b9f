"""What the compiler's process runs: jobs come in on stdin, code goes out on stdout."""

import os
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from papvmm.engine.native.jobs import perform
from papvmm.engine.native.workshop import INTERPRETER, Job
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import REPLY, REQUEST
from papvmm.machine.engine_version import engine_version


def serve(requests: BinaryIO, replies: BinaryIO, store: DiskStore) -> None:
    """Do jobs until there are no more; a failure is an answer.

    Another guest's compiler may have made the interpreter in the meantime.
    """
    while header := requests.read(REQUEST.size):
        kind, name, content = (requests.read(length) for length in REQUEST.unpack(header))
        job = Job(kind.decode(), name.decode(), content)
        failure, result = "", b""
        try:
            made = store.load(job.name) if job == INTERPRETER else []
            result = made[-1] if made else perform(job)
            if job.name and not made:
                store.add(job.name, result)
        except Exception as error:  # noqa: BLE001 - whatever LLVM comes up with, the guest runs on
            failure = f"{type(error).__name__}: {error}".splitlines()[0]
        reason = failure.encode()
        replies.write(REPLY.pack(len(reason), len(result)) + reason + result)
        replies.flush()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(int(sys.argv[1]))
    here = DiskStore(cache_directory(), engine_version)
    with suppress(BrokenPipeError):  # the guest may be gone
        serve(sys.stdin.buffer, sys.stdout.buffer, here)
