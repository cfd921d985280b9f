"""What the compiler's process runs: jobs come in on stdin, code goes out on stdout.

It does none for an engine of other sources than its own, which may have been replaced since.
"""

import os
import signal
import sys
from contextlib import suppress
from typing import BinaryIO

from papvmm.engine.native.jobs import get_ready, names, perform
from papvmm.engine.native.workshop import INTERPRETER, Job
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import REPLY, REQUEST
from papvmm.machine.engine_version import engine_version
from papvmm.machine.shipped import ShippedStore, package_directory


def serve(requests: BinaryIO, replies: BinaryIO, store: DiskStore) -> None:
    """Do jobs until there are no more; a failure is an answer."""
    while header := requests.read(REQUEST.size):
        kind, name, content = (requests.read(length) for length in REQUEST.unpack(header))
        job = Job(kind.decode(), name.decode(), content)
        failure, result = "", b""
        try:
            result = done_once(job, store) if job == INTERPRETER else perform(job)
            for one in names(job, result) if job != INTERPRETER else ():
                store.add(one, result)
        except Exception as error:  # noqa: BLE001 - whatever LLVM comes up with, the guest runs on
            failure = f"{type(error).__name__}: {error}".splitlines()[0]
        reason = failure.encode()
        replies.write(REPLY.pack(len(reason), len(result)) + reason + result)
        replies.flush()


def done_once(job: Job, store: DiskStore) -> bytes:
    """Do a job that every guest's compiler is given, unless one of them has; wait for it to."""
    with store.alone():
        made = store.load(job.name)
        result = made[-1] if made else perform(job)
        if not made:
            store.add(job.name, result)
    return result


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    niceness = int(sys.argv[1])
    os.nice(niceness)
    if not niceness:  # what nobody waits for is begun when nobody else does it
        get_ready()
    here = DiskStore(cache_directory(), engine_version)
    if sys.argv[2] != engine_version():
        sys.exit("papvmm has been changed since the guest was started")
    with suppress(BrokenPipeError):  # the guest may be gone
        serve(sys.stdin.buffer, sys.stdout.buffer, here)
    ShippedStore(here, package_directory()).keep()
