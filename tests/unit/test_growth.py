"""A guest that goes on making new code takes no more and no more memory."""

import gc
from pathlib import Path

import pytest

from papvmm.engine.exits import BudgetSpent
from papvmm.engine.native.regions import MOST_ASKED, MOST_LOADED, Pace
from papvmm.engine.native.workshop import Workshop
from papvmm.isa.encode import assemble
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.engine_version import engine_version
from tests.programs import (
    HOT,
    NATIVE,
    TRACES,
    CompilerHere,
    KeptInterpreter,
    Program,
    native_executor,
)

NEW_CODE = """
    stw 12,0(10); addi 12,12,1; stw 12,4(10); stw 13,8(10); li 14,20
    mtctr 10; bctrl; addic. 14,14,-1; bne -12
    addi 10,10,64; andis. 15,10,0x20; beq -44; lis 10,0x10; b -52
"""
"""Functions of three instructions, new ones all over a megabyte, each called some times."""
RAM = 4 << 20
FAST = Pace(hot=1, short=1000, long=4000)


class Idle:
    """A compiler that comes to nothing."""

    def submit(self, job):
        pass

    def finished(self):
        return ()


def endless(hot, traces=TRACES):
    return Program(
        NEW_CODE,
        hot=hot,
        traces=traces,
        ram=RAM,
        r10=0x10_0000,
        r12=assemble("addi 5,5,1"),
        r13=assemble("blr"),
    )


def native(compiler, pace):
    """Return what makes the native engine: it has the interpreter, and no region yet."""
    Program("nop", hot=NATIVE).run(1)
    workshop = Workshop(compiler, KeptInterpreter(DiskStore(cache_directory(), engine_version)))
    return lambda memory: native_executor(memory, workshop, pace)


def mapped():
    """Count the pages of memory that belong to this process, and what they are mapped by."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1])
    return resident, len(Path("/proc/self/maps").read_text().splitlines())


def test_what_a_busy_compiler_is_asked_is_bounded():
    program = endless(native(Idle(), FAST))

    assert program.run(10_000_000) == BudgetSpent()

    regions = program.executor._code.regions
    assert len(regions._asked) == MOST_ASKED
    assert len(regions._loaded) <= MOST_LOADED


def test_the_python_engine_keeps_to_its_limits():
    program = endless(HOT, traces=32)
    program.run(30_000)
    before, _ = mapped()

    program.run(60_000)

    after, _ = mapped()
    assert after - before < 2 << 8  # 2 MiB


@pytest.mark.slow
def test_regions_that_are_out_of_use_leave_nothing_behind():
    program = endless(native(CompilerHere(), Pace(hot=1, short=200_000, long=400_000)))
    program.run(20_000_000)
    before, mappings = mapped()

    program.run(60_000_000)

    after, left = mapped()
    assert after - before < 8 << 8
    assert left - mappings < 50
