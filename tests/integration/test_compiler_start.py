"""The compiler's process is soon ready: a first run has little to do but to wait for it."""

import os
import subprocess
import sys
import time

import pytest

from papvmm.machine.compiler import MODULE, REPLY, REQUEST, Process, reap
from papvmm.machine.engine_version import engine_version

NOT_NEEDED = {
    "dataclasses", "inspect", "ast", "asyncio", "capstone", "elftools", "argparse",
    "papvmm.cli", "papvmm.machine.guest", "papvmm.engine.python", "papvmm.papr", "papvmm.vpa",
}  # fmt: skip


def test_a_compiler_imports_nothing_that_takes_its_time():
    """Dataclasses alone were a fifth of the instructions until it had imported what it needs."""
    script = "import sys, papvmm.machine.compiling; print(*sys.modules)"
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )

    assert "papvmm.isa.spec" in done.stdout.split()
    assert set(done.stdout.split()) & NOT_NEEDED == set()


def test_a_compiler_does_nothing_for_an_engine_of_other_sources():
    """Its code would be for another layout of the registers."""
    request = REQUEST.pack(4, 1, 0) + b"what" + b"x"
    version = engine_version()

    same, other = (
        subprocess.run(
            (sys.executable, "-m", MODULE, "0", name),
            input=request,
            capture_output=True,
            check=False,
        )
        for name in (version, f"other {version}")
    )

    assert same.returncode == 0
    assert len(same.stdout) > REPLY.size
    assert other.returncode != 0
    assert other.stdout == b""


@pytest.mark.parametrize("end", [Process.close_input, Process.let_go])
def test_a_compiler_that_has_ended_is_no_zombie(end):
    """Its process is gone, which is when nobody has a child of that number."""
    process = Process(["/bin/cat"])
    pid = process.pid

    end(process)

    patience = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < patience:
        reap()
    with pytest.raises(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
