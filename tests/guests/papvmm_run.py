"""Runs a guest on papvmm, as a user does."""

import subprocess
import sys
from pathlib import Path


def run_on_papvmm(image: Path, *arguments: str, exit_code: int = 0) -> str:
    """The console of a guest that runs to its end, which has that exit code (0: power-off)."""
    run = subprocess.run(
        [sys.executable, "-m", "papvmm", "run", str(image), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    assert run.returncode == exit_code, run.stderr
    return run.stdout
