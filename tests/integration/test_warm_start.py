"""A guest that does nothing odd needs no instruction descriptions, once there is native code."""

import subprocess
import sys

from tests.programs import NATIVE, Program

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
