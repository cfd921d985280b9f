"""The count of instructions, and budgets: exact wherever a run stops."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from papvmm.engine.exits import Breakpoint, BudgetSpent, PaprHcall
from papvmm.isa.interrupts import Interrupt
from tests.programs import CODE, DATA, NATIVE, NEVER, REGIONS, SIEVE, Program

pytestmark = pytest.mark.usefixtures("every_engine")

PAGE = 0x1000
MANY = 1 << 40


@pytest.mark.parametrize("budget", [1, 2, 63, 64, 65, 1023, 1024, 1025, 3000])
def test_a_budget_is_used_up_exactly(budget):
    program = Program(SIEVE, ram=0x11000, r3=1000)

    assert program.run(budget) == BudgetSpent()
    assert program.now == budget


def test_an_empty_budget_changes_nothing():
    program = Program("addi 3,3,1")
    before = program.seen()

    assert program.run(0) == BudgetSpent()
    assert program.seen() == before


def test_single_steps_go_through_the_states_of_a_longer_run():
    text = "li 3,3; mtctr 3; mftb 5,268; add 4,4,5; bl 8; b 8; blr; bdnz -20; sc 1"
    stepped = Program(text)

    for number in range(1, 21):
        whole = Program(text)
        assert stepped.run(1) == whole.run(number) == BudgetSpent()
        assert stepped.seen() == whole.seen()
    assert stepped.run(1) == PaprHcall()


@pytest.mark.parametrize(
    ("text", "stop", "count"),
    [
        ("nop; nop; sc 1", PaprHcall(), 3),
        ("nop; nop; sc 0", Breakpoint(0xC00), 3),
        ("nop; nop; ld 4,0(3)", Breakpoint(0x200), 2),
        ("nop; nop; lmw 29,0(3)", Breakpoint(0x200), 2),
        ("nop; li 5,8; mtspr 1,5; lswx 4,3,5", Breakpoint(0x200), 3),
        ("nop; nop; std 4,0(3); nop", Breakpoint(0x200), 2),
        ("nop; tdi 4,0,0", Breakpoint(0x700), 1),
        ("nop; b 8; nop; b 8", Breakpoint(0x700), 3),
        ("nop; b 8; nop; lmw 31,0(0); mfmsr 5; mtmsrd 5,0; nop; sc 1", PaprHcall(), 7),
    ],
)
def test_only_completed_instructions_count(text, stop, count):
    program = Program(text, r3=1 << 40)
    program.processor.breakpoints.update(Interrupt)

    assert (program.run(1000), program.now) == (stop, count)


def test_an_instruction_that_stops_as_the_budget_ends_stops_first():
    program = Program("li 3,1; sc 1")

    assert (program.run(2), program.now) == (PaprHcall(), 2)


@pytest.mark.parametrize("budget", range(1, 6))
def test_a_budget_ends_at_a_page_boundary(budget):
    program = Program("addi 3,3,1; " * 6, at=CODE + PAGE - 12)

    assert program.run(budget) == BudgetSpent()
    assert program.gpr(3) == program.now == budget
    assert program.run(1) == BudgetSpent()
    assert program.cia == CODE + PAGE - 12 + 4 * (budget + 1)


@pytest.mark.parametrize("read", ["mftb 5,268", "mfspr 5,268"])
def test_the_time_base_follows_the_count(read):
    program = Program(f"{read}; bdnz -4; sc 1", ctr=5000)
    program.run(MANY)

    assert program.gpr(5) == (2 * 4999) * 512 // 1000


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
    return "; ".join((*lines, "sc 1"))


def program(text, hot=NEVER):
    middle, third = CODE + 4 * (SIZE // 2), CODE + 4 * (SIZE // 3)
    return Program(text, hot=hot, r10=DATA, r11=middle, ctr=700, lr=third)


budgets = st.integers(0, 200) | st.integers(900, 6000)
heats = st.sampled_from([1, NATIVE, REGIONS])


@settings(max_examples=50, deadline=None)
@given(text=programs(), budget=budgets, heat=heats)
def test_hot_code_does_what_cold_code_does(text, budget, heat):
    cold, hot = program(text), program(text, hot=heat)

    assert hot.run(budget) == cold.run(budget)
    assert hot.seen() == cold.seen()


@settings(max_examples=50, deadline=None)
@given(text=programs(), cuts=st.lists(budgets, min_size=1, max_size=5), heat=heats)
def test_a_run_in_pieces_equals_an_uninterrupted_one(text, cuts, heat):
    points = sorted(cuts)
    whole, pieces = program(text), program(text, hot=heat)
    for start, end in pairwise((0, *points)):
        reason = pieces.run(end - start)
        if reason != BudgetSpent():
            break

    assert whole.run(points[-1]) == reason
    assert pieces.seen() == whole.seen()
