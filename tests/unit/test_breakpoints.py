"""Breakpoints where native code could miss them: between pages, vcpus, kicks and stores."""

import pytest

from papvmm.engine.exits import BUDGET_SPENT, KICKED, Breakpoint
from papvmm.engine.native.code import NativeCode
from papvmm.engine.native.executor import NativeExecutor
from papvmm.engine.native.workshop import Workshop
from papvmm.engine.processor import Processor
from papvmm.engine.python.on_demand import OnDemand
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_SF
from papvmm.isa.state import CIA, GPR, MSR
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.engine_version import engine_version
from papvmm.memory.guest_memory import PAGE, GuestMemory
from tests.page_tables import ALL, room, switch_on
from tests.programs import (
    ALL_IS_HOT,
    CODE,
    DATA,
    CompilerHere,
    KeptInterpreter,
    Program,
    image,
)

pytestmark = pytest.mark.usefixtures("every_engine")

AWAY = CODE + PAGE
HOT = 20_000
FAR = f"addi 3,3,1; b {PAGE - 4:#x}"
BACK = f"addi 4,4,1; addi 5,5,1; b -{PAGE + 8:#x}"
"""A loop of five instructions on two pages."""


def on_two_pages(**how):
    program = Program(FAR, **how)
    program.memory.write(AWAY, image(BACK, at=AWAY))
    return program


def translated_on_two_pages():
    program = on_two_pages(msr=MSR_IR | MSR_DR, ram=room())
    for tree in switch_on(program).values():
        tree.map(CODE, CODE, 12, ALL)
        tree.map(AWAY, AWAY, 12, ALL)
    return program


@pytest.mark.parametrize("make", [on_two_pages, translated_on_two_pages])
@pytest.mark.parametrize(("place", "first"), [(CODE + 4, 1), (AWAY, 2), (AWAY + 4, 3)])
def test_a_loop_on_two_pages_stops_on_either(make, place, first):
    program = make()
    program.run(HOT)
    program.processor.breakpoints.add(place)

    for turn in range(3):
        assert program.run(HOT) == Breakpoint(place)
        assert (program.cia, program.now) == (place, HOT + first + 5 * turn)

    program.processor.breakpoints.clear()
    assert program.run(HOT) == BUDGET_SPENT


@pytest.mark.parametrize("make", [on_two_pages, translated_on_two_pages])
def test_a_breakpoint_beside_a_loop_stops_nobody(make):
    program, plain = make(), make()
    program.run(HOT)
    program.processor.breakpoints.update((CODE + 8, AWAY + 12, AWAY + 4 | 0xC << 60))

    assert program.run(HOT) == BUDGET_SPENT
    plain.run(2 * HOT)
    assert program.seen() == plain.seen()


def test_a_kick_at_a_breakpoint_does_not_hide_it():
    program = Program("addi 3,3,1; b -4")
    program.run(HOT)
    program.processor.breakpoints.add(CODE + 4)
    program.processor.kick()

    reasons = [program.run(HOT), program.run(HOT)]

    assert Breakpoint(CODE + 4) in reasons
    assert set(reasons) <= {KICKED, Breakpoint(CODE + 4)}


def test_code_that_is_stored_to_keeps_its_breakpoint():
    program = Program("stw 4,8(9); addi 3,3,1; nop; b -12", r4=0x38A50001, r9=CODE)
    program.processor.breakpoints.add(CODE + 8)

    for turn in range(30):
        assert program.run(HOT) == Breakpoint(CODE + 8)
        assert (program.now, program.gpr(5)) == (2 + 4 * turn, turn)


def test_each_vcpu_stops_at_its_own_breakpoints():
    memory = GuestMemory(0x10000)
    memory.write(CODE, image("addi 3,3,1; addi 4,4,1; b -8"))
    store = DiskStore(cache_directory(), engine_version)
    code = NativeCode(memory, Workshop(CompilerHere(), KeptInterpreter(store)), ALL_IS_HOT)
    engines = []
    for _ in range(2):
        engine = Processor(NativeExecutor(memory, code, OnDemand(memory)), memory)
        engine.state.write(MSR, MSR_SF)
        engine.state.write(CIA, CODE)
        assert engine.run(HOT) == BUDGET_SPENT
        engines.append(engine)
    first, second = engines
    first.breakpoints.add(CODE + 4)

    for _ in range(3):
        assert first.run(HOT) == Breakpoint(CODE + 4)
        assert second.run(HOT) == BUDGET_SPENT
    second.breakpoints.add(CODE + 8)
    assert first.run(HOT) == Breakpoint(CODE + 4)
    assert second.run(HOT) == Breakpoint(CODE + 8)
    first.breakpoints.clear()
    assert first.run(HOT) == BUDGET_SPENT
    assert second.run(HOT) == Breakpoint(CODE + 8)
    assert second.state.read(GPR, 3) == second.state.read(GPR, 4)


def test_watched_and_plain_pages_of_data_beside_breakpoints():
    program = Program("ld 5,0(9); addi 5,5,1; std 5,0(9); b -12", r9=DATA)
    program.run(HOT)
    program.processor.breakpoints.add(CODE + 12)

    counts = [program.run(HOT) and program.now for _ in range(3)]

    assert counts == [HOT + 3, HOT + 7, HOT + 11]
    assert program.memory.load_be(DATA, 8) == program.gpr(5)
