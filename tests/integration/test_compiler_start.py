"""The compiler's process is soon ready: a first run has little to do but to wait for it."""

import subprocess
import sys

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
