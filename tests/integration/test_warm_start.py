"""A guest that does nothing odd needs no instruction descriptions, once there is native code."""

import subprocess
import sys

from tests.programs import NATIVE, Program
from tests.shell import IMAGES

ORDINARY = """
import sys
from papvmm import Machine

machine = Machine(memory="1M", accel="native")
machine.memory.write(0, bytes.fromhex("38600001" "38630001" "90600400" "4bfffff8"))
machine.run(max_instructions=10_000)
print(machine.icount, sorted({name.split(".")[-1] for name in sys.modules} & {
    "spec", "decode", "ir", "stepper", "lockstep", "traces", "handlers", "dispatch", "llvmlite",
}))
"""


def run_with_an_interpreter_kept(script):
    Program("nop", hot=NATIVE).run(1)
    done = subprocess.run(
        (sys.executable, "-c", script), capture_output=True, text=True, check=True
    )
    return done.stdout


def test_what_runs_ordinary_code_imports_no_descriptions():
    assert run_with_an_interpreter_kept(ORDINARY) == "10000 []\n"


NOT_NEEDED = {
    "asyncio", "uvloop", "ssl", "logging", "subprocess", "tempfile", "dataclasses", "inspect",
    "llvmlite", "capstone", "elftools", "importlib.resources", "datetime", "glob", "json",
    "hashlib", "papvmm.kvmapi",
    "papvmm.isa.spec", "papvmm.isa.decode", "papvmm.isa.ir", "papvmm.engine.lockstep",
    "papvmm.engine.stepper", "papvmm.engine.python.executor", "papvmm.control", "papvmm.observe",
}  # fmt: skip


def test_a_plain_run_imports_nothing_that_takes_its_time():
    """Each was loaded once, and took 1 to 50 ms of every start: see docs/bench.md."""
    Program("nop", hot=NATIVE).run(1)
    done = subprocess.run(
        (sys.executable, "-X", "importtime", "-m", "papvmm", "run", IMAGES / "hello-be.elf"),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )  # fmt: skip

    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "papvmm.machine.ahead" in imported
    assert imported & NOT_NEEDED == set()
