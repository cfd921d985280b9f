"""Generated programs with translation on: every engine does what the stepper does."""

from itertools import chain, cycle, repeat
from random import Random

import pytest

from papvmm.engine.exits import BudgetSpent, Crash, NotBuilt
from papvmm.engine.processor import Processor
from papvmm.isa.encode import assemble
from papvmm.isa.state import LPCR, LPCR_AIL, NOW, PID
from papvmm.mmu.mmu import Mmu
from tests.fakes import EverythingIsOdd
from tests.page_tables import ALL, EXECUTE, PRIVILEGED, READ, TABLES, room, switch_on
from tests.programs import NATIVE, NEVER, REGIONS, Program
from tools.lockstep.programs import DATA, FIRST_CODE, RAM, generate

FIRST = 7_000_000
TOTAL = 1500
CHUNKS = (1, 1, 2, 5, 30, 64, 65, 100, 700)


def stage(number, hot):
    """Return a generated program in other pages, and page tables that lead there.

    Perhaps it can write its own page table, right behind its data.
    """
    case, random = generate(FIRST + number), Random(number)
    program = Program("nop", hot=hot, ram=room())
    memory, state = program.memory, program.state
    for at, data in case.pieces:
        memory.write(at, data)
    case.begin(state, 0, 0)
    trees = switch_on(program)
    places = random.sample(range(RAM >> 12, TABLES >> 12), k=(RAM >> 12) - 1)
    for page, place in enumerate([0, *places]):
        ea, ra = page << 12, place << 12
        memory.write(ra, memory.read(ea, 4096))
        authority = random.choice((ALL, ALL, ALL, ALL | PRIVILEGED, READ | EXECUTE))
        for tree in trees.values():
            tree.map(ea, ra, 12, ALL if ea < DATA else authority)
    memory.write(FIRST_CODE, assemble("nop").to_bytes(4, "big") * 1024)
    if random.random() < 0.4:
        for tree in trees.values():
            tree.map(DATA + 0x1000, trees[0].tables.popitem()[1], 12, ALL)
    state.write(PID, random.randrange(2))
    state.write(LPCR, state.read(LPCR) | random.choice((0, LPCR_AIL)))
    return program


def play(run, state, budgets, on_stop=lambda stops: None):
    """Run ``TOTAL`` instructions, as far as the vcpu comes; return what stopped it when."""
    stops = []
    on_stop(stops)
    while (now := state.read(NOW)) < TOTAL:
        reason = run(min(next(budgets), TOTAL - now))
        if not isinstance(reason, BudgetSpent):
            stops.append((state.read(NOW), reason))
            on_stop(stops)
        if isinstance(reason, NotBuilt | Crash):
            break
    return stops


def runs(stage, number, stopping=lambda processor: lambda stops: None):
    """Run a program on every engine; yield what came of it, and what does on the stepper.

    What ``stopping`` returns for a processor is called before it runs and after every stop.
    """
    careful = stage(number, NEVER)
    mmu = Mmu(careful.state, careful.tables)
    stepper = Processor(EverythingIsOdd(careful.state), careful.memory, mmu)
    stops = play(stepper.run, careful.state, repeat(TOTAL), stopping(stepper))

    for hot in (NEVER, 1, NATIVE, REGIONS):
        program = stage(number, hot)
        chunks = chain(CHUNKS, cycle(reversed(CHUNKS)))
        budgets = repeat(TOTAL) if hot in (1, REGIONS) else chunks
        seen = play(program.run, program.state, budgets, stopping(program.processor))
        yield (seen, *left(program)), (stops, *left(careful))


def left(program):
    """Return what a program has left: registers and RAM, and its hashed page table."""
    return program.seen(), program.tables.hashed.content[:]


@pytest.mark.parametrize(
    "number", [*range(16), *(pytest.param(number, marks=pytest.mark.slow) for number in range(300))]
)
def test_engines_translate_as_the_stepper_does(number):
    for engines, steppers in runs(stage, number):
        assert engines == steppers
