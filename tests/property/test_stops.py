"""Generated programs with breakpoints and watchpoints that come and go.

Every engine stops when and for what the stepper does, in every mode, and does the same besides.
"""

from collections import Counter
from functools import cache, partial
from itertools import islice
from random import Random

import pytest

from papvmm.engine.exits import Breakpoint, BudgetSpent, Watchpoint
from papvmm.engine.processor import Processor
from papvmm.engine.watch import Watch
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu.mmu import Mmu
from tests.fakes import EverythingIsOdd
from tests.programs import NEVER, Program
from tests.property import test_hashed_programs as hashed
from tests.property import test_translated_programs as radix
from tools.lockstep.programs import RAM, VECTORS, generate

FIRST = 9_000_000
KERNEL = 0xC << 60
EVERYWHERE = [Watch(start + at, PAGE) for at in range(0, RAM, PAGE) for start in (0, KERNEL)]


def real_stage(number, hot):
    """Return a generated program in real mode."""
    case = generate(FIRST + number)
    program = Program("nop", hot=hot, ram=GuestMemory(RAM))
    for at, data in case.pieces:
        program.memory.write(at, data)
    case.begin(program.state, 0, 0)
    return program


STAGES = {"real": real_stage, "radix": radix.stage, "hashed": hashed.stage}


@cache
def places(kind, number):
    """Return where a program comes to, and what it accesses."""
    program = STAGES[kind](number, NEVER)
    mmu = Mmu(program.state, program.tables)
    stepper = Processor(EverythingIsOdd(program.state), program.memory, mmu)
    stepper.watchpoints.update(EVERYWHERE)
    code, data = [*VECTORS], [0x5000, KERNEL + 0x5000]
    for _ in range(radix.TOTAL):
        match stepper.run(1):
            case BudgetSpent():
                code.append(program.cia)
            case Watchpoint(ea=ea):
                data.append(ea)
            case _:
                break
    return code, data


def coming_and_going(kind, number, processor):
    """Return what changes a processor's stops before it runs, and after each stop."""
    code, data = places(kind, number)

    def a_breakpoint(random):
        return random.choice(code) ^ random.choice((0,) * 9 + (KERNEL, PAGE))

    def a_watch(random):
        kinds = random.choice(((True, True), (True, False), (False, True)))
        address = max(random.choice(data) + random.choice((0, 0, 3, -2, 20)), 0)
        is_real = random.random() < 0.3
        address = address & RAM - 1 if is_real else address
        return Watch(address, random.choice((1, 2, 4, 8, 16)), *kinds, is_real)

    def change(stops):
        random = Random(f"{number} {len(stops)}")
        for there, one in (
            (processor.breakpoints, a_breakpoint),
            (processor.watchpoints, a_watch),
        ):
            if random.random() < 0.4:
                there.clear()
            there.update(one(random) for _ in range(random.choice((1, 2, 4))))

    return change


def runs(kind, number):
    return radix.runs(STAGES[kind], number, partial(coming_and_going, kind, number))


@pytest.mark.parametrize("kind", STAGES)
@pytest.mark.parametrize(
    "number",
    [*range(5), *(pytest.param(number, marks=pytest.mark.slow) for number in range(5, 15))],
)
def test_engines_stop_as_the_stepper_does(kind, number):
    for engines, steppers in runs(kind, number):
        assert engines == steppers


@pytest.mark.parametrize("kind", STAGES)
def test_programs_stop_often(kind):
    counts = Counter()
    for number in range(12):
        [(_, (stops, *_))] = islice(runs(kind, number), 1)
        counts.update(type(reason) for _, reason in stops)

    assert counts[Breakpoint] > 50
    assert counts[Watchpoint] > 5
