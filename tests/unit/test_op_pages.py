"""Op pages: when there are too many, and what the vcpus that share them notice."""

import pytest

from papvmm.engine.accel import native_engines
from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.engine.native import code
from papvmm.engine.native.workshop import Workshop
from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.state import CIA, GPR, MSR
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import CompilerProcess
from papvmm.machine.engine_version import engine_version
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.hash_table import HashTable
from tests.programs import CODE, NATIVE, NEVER, RAM, REGIONS, Program, image

HOPS = 6
RETURN_7 = "li 3,7; b 0"
ADD_1 = assemble("addi 3,3,1")


def hopping(hot):
    """A loop over some pages, a few instructions on each."""
    program = Program("nop", hot=hot)
    for hop in range(HOPS):
        distance = PAGE - 8 if hop < HOPS - 1 else -PAGE * hop - 8
        text = f"addi 3,3,1; mulli 4,4,3; b {distance}"
        program.memory.write(CODE + hop * PAGE, image(text, at=CODE + hop * PAGE))
    program.set("r4", 1)
    return program


@pytest.mark.parametrize("most", [1, 2, 5, 6])
def test_code_on_more_pages_than_there_are_op_pages_runs_as_any_other(monkeypatch, most):
    monkeypatch.setattr(code, "OP_PAGES", most)
    python, native = hopping(NEVER), hopping(NATIVE)

    for budget in (1, 100, 5000):
        assert native.run(budget) == python.run(budget) == BudgetSpent()

    assert native.seen() == python.seen()


def test_regions_outlive_op_pages(monkeypatch):
    """A hot loop, and then some pages whose op pages replace that of the loop."""
    monkeypatch.setattr(code, "OP_PAGES", 8)
    hops, ram = 40, 1 << 18
    far = CODE + PAGE

    def looping(hot):
        program = Program(
            f"li 5,300; mtctr 5; addi 3,3,1; bdnz -4; b {PAGE - 16}", hot=hot, ram=ram
        )
        for hop in range(hops):
            distance = PAGE - 4 if hop < hops - 1 else -PAGE * (hop + 1) - 4
            program.memory.write(far + hop * PAGE, image(f"mulli 4,4,3; b {distance}"))
        program.set("r4", 1)
        return program

    python, native = looping(NEVER), looping(REGIONS)

    assert native.run(660) == python.run(660) == BudgetSpent()
    assert native.cia > far + 20 * PAGE
    assert native.memory.code[CODE // CODE_LINE] & CODE_REGION

    assert native.run(20_000) == python.run(20_000) == BudgetSpent()
    assert native.seen() == python.seen()


def two_vcpus():
    """Two vcpus of a guest, in real mode, at the same code."""
    memory = GuestMemory(RAM)
    workshop = Workshop(
        CompilerProcess(None, waits=True), DiskStore(cache_directory(), engine_version)
    )
    engines = native_engines(memory, HashTable(), 2, workshop)
    for engine in engines:
        engine.state.write(MSR, MSR_SF | MSR_ME)
        engine.state.write(CIA, CODE)
    return memory, engines


def test_a_vcpu_that_stored_to_a_page_before_another_ran_code_there_changes_that_code():
    """Its TLB said that stores to the page go to RAM directly."""
    memory, (writer, runner) = two_vcpus()
    memory.write(CODE, image("std 7,256(6); stw 5,0(6); b 0"))
    memory.write(CODE + PAGE, image(RETURN_7, at=CODE + PAGE))
    writer.state.write(GPR, CODE + PAGE, 6)
    writer.state.write(GPR, ADD_1, 5)
    writer.run(1)
    runner.state.write(CIA, CODE + PAGE)
    runner.run(10)

    writer.run(1)

    runner.state.write(CIA, CODE + PAGE)
    runner.run(1)
    assert runner.state.read(GPR, 3) == 8


def test_code_on_a_page_that_was_stored_to_before_is_noticed_to_change():
    """All in one run: the TLB of the vcpu itself said that stores go to RAM directly."""
    program = Program(
        "std 7,256(6); mtctr 6; bctrl; stw 5,0(6); bctrl; b 0",
        hot=NATIVE,
        r5=ADD_1,
        r6=CODE + PAGE,
    )
    program.memory.write(CODE + PAGE, image("li 3,7; blr"))

    program.run(20)

    assert program.gpr(3) == 8


def test_code_is_the_same_for_all_vcpus_whatever_their_byte_order():
    memory, (big, little) = two_vcpus()
    memory.write(CODE, image("addi 3,3,1"))
    memory.write(CODE + 4, image("addi 3,3,2", little_endian=True))
    little.state.write(MSR, MSR_SF | MSR_ME | MSR_LE)
    little.state.write(CIA, CODE + 4)

    big.run(1)
    little.run(1)

    assert (big.state.read(GPR, 3), little.state.read(GPR, 3)) == (1, 2)


def test_a_breakpoint_in_code_that_never_ran_stops_before_its_instruction():
    program = Program("addi 3,3,1; addi 3,3,1; addi 3,3,1; b -12", hot=NATIVE)
    program.processor.breakpoints.update((CODE + 8, RAM + 4, CODE + PAGE))

    assert program.run(100) == Breakpoint(CODE + 8)
    assert program.gpr(3) == 2
    program.processor.breakpoints.clear()
    assert program.run(98) == BudgetSpent()
    assert program.gpr(3) == 75
