"""Hot code of the native engine: when it is compiled, and when it is dropped."""

import pytest

from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import Breakpoint, BudgetSpent
from papvmm.engine.native.code import USUAL_PACE
from papvmm.engine.native.jobs import names, perform
from papvmm.engine.native.region_job import Translated, unpack
from papvmm.engine.native.regions import REST
from papvmm.engine.native.workshop import INTERPRETER, Finished, Workshop
from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_VEC
from papvmm.isa.state import MSR, SRR1
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.engine_version import engine_version
from papvmm.memory.guest_memory import CODE_LINE, PAGE
from tests.programs import (
    CODE,
    NATIVE,
    NEVER,
    REGIONS,
    CompilerHere,
    KeptInterpreter,
    Program,
    image,
    native_executor,
)

LOOP = "addi 3,3,1; b -4"
ADD_1 = assemble("addi 3,3,1").to_bytes(4, "big")
ADD_16 = assemble("addi 3,3,16").to_bytes(4, "big")


LAST = CODE + PAGE - 4
"""The last instruction of a page."""


def has_region(program, at=CODE):
    return bool(program.memory.code[at // CODE_LINE] & CODE_REGION)


class Shelf:
    """A store that keeps what a compiler of its own makes."""

    def __init__(self):
        interpreters = KeptInterpreter(DiskStore(cache_directory(), engine_version))
        self.kept = {INTERPRETER.name: interpreters.load(INTERPRETER.name)}
        self.jobs = []

    def executor(self, memory):
        compiler = CompilerHere()
        submit = compiler.submit

        def submit_and_keep(job):
            submit(job)
            self.jobs.append(job)
            content = compiler.done[-1].content
            for name in names(job, content):
                self.kept.setdefault(name, []).append(content)

        compiler.submit = submit_and_keep
        return native_executor(memory, Workshop(compiler, self))

    def load(self, name):
        return self.kept.get(name, [])


def test_a_hot_loop_becomes_a_region():
    program = Program(LOOP, hot=REGIONS)

    assert program.run(5000) == BudgetSpent()
    assert has_region(program)
    assert (program.gpr(3), program.now) == (2500, 5000)


class Mistranslating(CompilerHere):
    """Translates 16 for 1."""

    def submit(self, job):
        request = job.request.replace(ADD_1, ADD_16)
        wrong, right = (
            unpack(perform(job._replace(request=text))) for text in (request, job.request)
        )
        self.done.append(
            Finished(
                job,
                Translated(
                    wrong.entries, wrong.ranges, right.digest, wrong.names, wrong.offset, wrong.text
                ).pack(),
            )
        )


def test_what_is_tested_as_regions_runs_in_regions():
    """That is seen by a region that does something else than its code says."""
    Program(LOOP, hot=NATIVE).run(1)
    kept = KeptInterpreter(DiskStore(cache_directory(), engine_version))
    workshop = Workshop(Mistranslating(), kept)
    program = Program(LOOP, hot=lambda memory: native_executor(memory, workshop))

    program.run(5000)

    assert program.gpr(3) > 2500 + 15 * 500


def test_code_that_runs_rarely_is_interpreted():
    kept = KeptInterpreter(DiskStore(cache_directory(), engine_version))
    workshop = Workshop(CompilerHere(), kept)
    program = Program(LOOP, hot=lambda memory: native_executor(memory, workshop, USUAL_PACE))
    program.run(5000)

    assert not has_region(program)


def test_a_region_whose_code_is_written_is_dropped():
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)

    program.memory.write(CODE, ADD_16)

    assert not has_region(program)
    program.run(5000)
    assert program.gpr(3) == 2500 + 16 * 2500


def test_a_line_whose_region_was_dropped_is_not_compiled_again():
    """Its code modifies itself, or there is data beside it."""
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)
    program.memory.write(CODE, ADD_16)

    program.run(5000)

    assert not has_region(program)


def test_what_is_sampled_where_there_is_no_memory_is_not_compiled():
    """Every hundredth instruction returns to nowhere, and its handler from there."""
    program = Program("nop; nop; mtspr 26,3; rfid", hot=REGIONS, r3=1 << 40, r5=CODE + 8)
    program.memory.write(0x200, image("mtspr 26,5; rfid"))
    program.state.write(SRR1, program.state.read(MSR))

    assert program.run(1002) == BudgetSpent()
    assert program.cia == CODE + 8


def test_a_breakpoint_in_a_region_stops_before_its_instruction():
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)

    program.processor.breakpoints.add(CODE + 4)

    assert program.run(5000) == Breakpoint(CODE + 4)
    assert program.gpr(3) == 2501


def test_a_fault_in_a_region_leaves_the_state_before_its_instruction():
    text = "ldu 5,8(3); addi 4,4,1; b -8"
    program = Program(text, hot=REGIONS, r3=0)
    program.processor.breakpoints.add(0x200)

    assert program.run(1 << 20) == Breakpoint(0x200)
    assert program.gpr(4) == 0x10000 // 8 - 1
    assert program.gpr(3) == 0x10000 - 8


def test_a_region_goes_on_in_the_next_page():
    program = Program("addi 3,3,1; addi 4,4,1; b -8", at=LAST, hot=REGIONS)

    assert program.run(6000) == BudgetSpent()
    assert has_region(program, LAST)
    assert has_region(program, LAST + 4)
    assert (program.gpr(3), program.gpr(4)) == (2000, 2000)


def test_a_region_is_dropped_when_any_of_its_pages_is_written():
    program = Program("addi 3,3,1; addi 4,4,1; b -8", at=LAST, hot=REGIONS)
    program.run(6000)

    program.memory.write(LAST + 4, assemble("addi 4,4,16").to_bytes(4, "big"))

    assert not has_region(program, LAST)
    program.run(6000)
    assert (program.gpr(3), program.gpr(4)) == (4000, 2000 + 16 * 2000)


def test_a_budget_ends_exactly_in_a_region_of_several_pages():
    """A round has 2501 instructions, which go forward only, but for the last."""
    text = "; ".join(["addi 3,3,1", "xor 4,4,3"] * 1250) + "; b -10000"
    python, regions = (Program(text, hot=heat, ram=0x10000) for heat in (NEVER, REGIONS))

    for budget in (1, 2500, 20_000, 1023, 1024, 1025, 2501, 3, 7000, 1500, 1, 1, 60_000, 999):
        assert regions.run(budget) == python.run(budget)
        assert regions.seen() == python.seen(), budget
    assert has_region(regions, CODE + 9000)


def test_what_an_earlier_run_has_left_is_found_from_any_of_its_pages():
    shelf = Shelf()
    text = "addi 3,3,1; addi 4,4,1; b -8"
    Program(text, at=LAST, hot=shelf.executor).run(6000)
    made = len(shelf.jobs)

    program = Program(text, at=LAST, hot=shelf.executor)
    program.run(1)
    program.run(6000)

    assert has_region(program, LAST)
    assert len(shelf.jobs) == made
    assert (program.gpr(3), program.gpr(4)) == (2001, 2000)


def test_what_an_earlier_run_has_left_is_not_used_for_other_code():
    shelf = Shelf()
    Program("addi 3,3,1; addi 4,4,1; b -8", at=LAST, hot=shelf.executor).run(6000)

    program = Program("addi 3,3,1; addi 4,4,5; b -8", at=LAST, hot=shelf.executor)
    program.run(6000)

    assert (program.gpr(3), program.gpr(4)) == (2000, 10_000)


def test_a_branch_that_is_known_in_its_region_goes_where_it_goes():
    text = (
        "li 5,2; mtctr 5; bdz 8; addi 3,3,1; li 6,0; cmpdi 6,0; bne 8; addi 4,4,1; beq 8; li 4,0;"
        " li 7,0; mtctr 9; bnectr; b -48"
    )
    hot = Program(text, hot=REGIONS, r9=CODE)
    reference = Program(text, hot=NEVER, r9=CODE)

    for program in (hot, reference):
        program.run(20_000)

    assert has_region(hot)
    assert hot.seen() == reference.seen()


@pytest.mark.parametrize("name", ["vcmpequb", "vcmpequd", "vcmpgtuh", "vcmpgtsw"])
def test_an_element_compared_with_itself(name):
    """LLVM knows the answer beforehand, and must not stumble over it."""
    text = f"addi 3,3,1; {name}. 1,2,2; b -8"
    programs = [Program(text, hot=heat, msr=MSR_VEC) for heat in (REGIONS, NEVER)]

    for program in programs:
        program.run(5000)

    assert has_region(programs[0])
    assert programs[0].seen() == programs[1].seen()
    assert (programs[0].state.cr >> 4 & 0xF) == (8 if "eq" in name else 2)


def test_a_line_is_compiled_again_after_a_rest():
    """Other code may have been loaded there for good."""
    program = Program(LOOP, hot=REGIONS)
    program.run(5000)
    program.memory.write(CODE, ADD_16)

    program.run(4 * REST)

    assert has_region(program)
    assert program.gpr(3) == 2500 + 16 * 2 * REST
