"""The count of instructions, and budgets: exact on every engine, wherever a run stops."""

import threading
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engines import RAM, SIEVE, VIEW

from papvmm.engine.native.runtime import NativeEngine
from papvmm.engine.python.engine import PythonEngine
from papvmm.engine.stops import FOREVER, Stop
from papvmm.isa.encode import assemble
from papvmm.isa.state import CIA, CTR, GPR, LR, MSR, NOW, ArchState

CODE = 0x1000
DATA = 0x4000
PAGE = 0x1000
MSR_SF = 1 << 63
MAKERS = ("python", "interpreter", "region")


class Machine:
    """One engine with a program in place, and the data page as it was at the start."""

    def __init__(self, kind, program, *, at=CODE, **registers):
        VIEW[CODE : CODE + 2 * PAGE] = bytes(2 * PAGE)
        VIEW[DATA : DATA + PAGE] = bytes(PAGE)
        lines = [line for line in program.replace("\n", ";").split(";") if line.strip()]
        for number, line in enumerate(lines):
            VIEW[at + 4 * number : at + 4 + 4 * number] = assemble(line).to_bytes(4, "big")
        if kind == "python":
            self.engine = PythonEngine(ArchState(), VIEW, little_endian=False)
        else:
            self.engine = NativeEngine(RAM, little_endian=False)
        self.state = self.engine.state
        self.state.write(MSR, MSR_SF)
        self.state.write(CIA, at)
        for name, value in registers.items():
            self.state.write(GPR, value, int(name[1:]))
        if kind == "region":
            self.engine.install((at, at + 4 * (len(lines) // 2)))

    def run(self, budget=FOREVER):
        """Run; return all that can be seen afterwards."""
        stop = self.engine.run(budget)
        return stop, bytes(self.state.buffer), VIEW[DATA : DATA + PAGE].tobytes()

    @property
    def now(self):
        return self.state.read(NOW)


def test_the_engines_count_a_sieve_alike():
    ends = [Machine(kind, SIEVE, r3=1000).run() for kind in MAKERS]

    assert ends[0] == ends[1] == ends[2]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("budget", [0, 1, 2, 63, 64, 65, 1023, 1024, 1025, 3000])
def test_a_budget_is_used_up_exactly(kind, budget):
    machine = Machine(kind, SIEVE, r3=1000)

    assert machine.run(budget)[0] is Stop.BUDGET
    assert machine.now == budget


@pytest.mark.parametrize("kind", MAKERS)
def test_single_steps_go_through_the_states_of_a_python_run(kind):
    program = "li 3,3; mtctr 3; mftb 5,268; add 4,4,5; bl 8; b 8; blr; bdnz -20; sc 0"
    steps = [Machine(kind, program)]
    trail = [steps[0].run(1) for _ in range(40)]

    for number, seen in enumerate(trail):
        if seen[0] is Stop.SYSTEM_CALL:
            break
        assert Machine("python", program).run(number + 1) == seen
    assert trail[number][0] is Stop.SYSTEM_CALL


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize(
    ("program", "stop", "count"),
    [
        ("nop; nop; sc 0", Stop.SYSTEM_CALL, 3),
        ("nop; nop; ld 4,0(3)", Stop.DATA_STORAGE, 2),
        ("nop; nop; lmw 29,0(3)", Stop.DATA_STORAGE, 2),
        ("nop; li 5,8; mtspr 1,5; lswx 4,3,5", Stop.DATA_STORAGE, 3),
        ("nop; nop; std 4,0(3); nop", Stop.DATA_STORAGE, 2),
        ("nop; tdi 4,0,0", Stop.TRAP, 1),
        ("nop; b 8; nop; b 8", Stop.ILLEGAL, 3),
        ("nop; b 8; nop; lmw 31,0(0); mfmsr 5; mtmsrd 5,0; nop; sc 0", Stop.SYSTEM_CALL, 7),
    ],
)
def test_only_completed_instructions_count(kind, program, stop, count):
    machine = Machine(kind, program.replace("nop", "ori 0,0,0"), r3=1 << 40)

    assert (machine.run(1000)[0], machine.now) == (stop, count)


@pytest.mark.parametrize("kind", MAKERS)
def test_an_instruction_that_stops_as_the_budget_ends_stops_first(kind):
    machine = Machine(kind, "li 3,1; sc 0")

    assert (machine.run(2)[0], machine.now) == (Stop.SYSTEM_CALL, 2)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("budget", range(6))
def test_a_budget_ends_at_a_page_boundary(kind, budget):
    machine = Machine(kind, "addi 3,3,1; " * 6, at=CODE + PAGE - 12)

    assert machine.run(budget)[0] is Stop.BUDGET
    assert machine.state.read(GPR, 3) == machine.now == budget
    assert machine.run(1)[0] is Stop.BUDGET
    assert machine.state.read(CIA) == CODE + PAGE - 12 + 4 * (budget + 1)


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("read", ["mftb 5,268", "mfspr 5,268"])
def test_the_time_base_follows_the_count(kind, read):
    machine = Machine(kind, f"{read}; bdnz -4; sc 0")
    machine.state.write(CTR, 5000)
    machine.run()

    assert machine.state.read(GPR, 5) == (2 * 4999) * 512 // 1000


@pytest.mark.parametrize("kind", ["interpreter", "region"])
@pytest.mark.parametrize("program", ["addi 3,3,1; b -4", "li 4,4096; mtctr 4; bctr"])
def test_a_kick_stops_a_loop_between_instructions(kind, program):
    machine = Machine(kind, program)
    threading.Timer(0.02, machine.engine.kick).start()

    assert machine.run()[0] is Stop.KICK
    now, seen = machine.now, machine.run(0)
    again = Machine("python", program)
    assert machine.run(5)[0] is Stop.BUDGET
    assert (seen[0], machine.now) == (Stop.BUDGET, now + 5)
    assert again.run(5)[1] != seen[1]


# Random programs: straight-line code between branches that mostly stay inside.

STRAIGHT = (
    "addi {a},{b},{n}", "add. {a},{b},{c}", "adde {a},{b},{c}", "cmpd {a},{b}", "mftb {a},268",
    "stw {a},{m}(10)", "lwz {a},{m}(10)", "xor {a},{b},{c}", "mtctr {a}", "mtlr 11",
    "lmw 30,{m}(10)", "ldx {a},{b},{c}", "mullw {a},{b},{c}",
)  # fmt: skip
BRANCHES = ("b {d}", "bl {d}", "bdnz {d}", "bc 18,0,{d}", "beq {d}", "bne {d}", "blt {d}", "blr")
SIZE = 24


@st.composite
def programs(draw):
    lines = []
    for position in range(SIZE):
        text = draw(st.sampled_from(STRAIGHT) | st.sampled_from(BRANCHES))
        target = draw(st.integers(0, SIZE))
        fields = {name: draw(st.integers(3, 8)) for name in "abc"}
        lines.append(
            text.format(
                **fields,
                d=4 * (target - position),
                n=draw(st.integers(-3, 3)),
                m=4 * draw(st.integers(0, 15)),
            )
        )
    return "; ".join((*lines, "sc 0"))


def machine(kind, program):
    made = Machine(kind, program, r10=DATA, r11=CODE + 4 * (SIZE // 2))
    made.state.write(CTR, 700)
    made.state.write(LR, CODE + 4 * (SIZE // 3))
    return made


budgets = st.integers(0, 200) | st.integers(900, 6000)


@settings(max_examples=120, deadline=None)
@given(program=programs(), budget=budgets)
def test_engines_stop_random_programs_in_the_same_state(program, budget):
    ends = [machine(kind, program).run(budget) for kind in MAKERS]

    assert ends[0] == ends[1] == ends[2]


@settings(max_examples=120, deadline=None)
@given(program=programs(), cuts=st.lists(budgets, min_size=1, max_size=5))
def test_a_run_in_pieces_equals_an_uninterrupted_one(program, cuts):
    points = sorted(cuts)
    whole = machine("python", program).run(points[-1])
    for kind in MAKERS:
        pieces = machine(kind, program)
        for start, end in pairwise((0, *points)):
            seen = pieces.run(end - start)
            if seen[0] is not Stop.BUDGET:
                break
        assert seen == whole, kind
