"""Watchpoints: a vcpu stops right before it accesses watched bytes, whatever accesses them."""

import pytest

from papvmm.engine.exits import BUDGET_SPENT, Breakpoint, PaprHcall, Watchpoint
from papvmm.engine.watch import Watch
from papvmm.errors import BadUsage
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_VEC, MSR_VSX
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import PAGE
from tests.page_tables import ALL, room, switch_on
from tests.programs import CODE, DATA, Program

pytestmark = pytest.mark.usefixtures("every_engine")

EDGE = DATA + PAGE - 4
LOADS = {
    "lbz 4,0(9)": 1,
    "lhzx 4,0,9": 2,
    "lwbrx 4,0,9": 4,
    "ld 4,0(9)": 8,
    "ldu 4,16(8)": 8,
    "lq 10,0(9)": 16,
    "lwarx 4,0,9": 4,
    "lqarx 10,0,9": 16,
    "lfd 4,0(9)": 8,
    "lfs 4,0(9)": 4,
    "lvx 4,0,9": 16,
    "lxvd2x 4,0,9": 8,
    "lmw 20,0(9)": 4,
    "lswi 20,9,30": 4,
}
STORES = {
    "stb 4,0(9)": 1,
    "sthx 4,0,9": 2,
    "stwbrx 4,0,9": 4,
    "std 4,0(9)": 8,
    "stdu 4,16(8)": 8,
    "stq 4,0(9)": 16,
    "stfd 4,0(9)": 8,
    "stvx 4,0,9": 16,
    "stmw 20,0(9)": 4,
    "stswi 4,9,30": 4,
    "dcbz 0,9": 8,
}
CASES = [(text, False) for text in LOADS] + [(text, True) for text in STORES]


def staged(text, **how):
    """Return a program that comes to an instruction in its second round, RAM behind r9 known."""
    back = 24 + 4 * text.count(";")
    program = Program(
        f"addi 5,5,1; addi 8,9,-16; cmpdi 5,40; blt -12; {text}; addi 6,6,1; b -{back}",
        ram=how.pop("ram", 0x10000),
        r9=how.pop("r9", DATA),
        msr=how.pop("msr", 0) | MSR_VEC | MSR_VSX | 1 << 13,
        **how,
    )
    program.memory.write(DATA, bytes(range(256)))
    return program


PLD = f".long 0x04000000; .long {57 << 26 | 4 << 21 | 9 << 16:#x}"
PSTD = f".long 0x04000000; .long {61 << 26 | 4 << 21 | 9 << 16:#x}"
AT = CODE + 16
COUNT = 4 * 40
ROUND = 7


@pytest.mark.parametrize(("text", "is_store"), CASES)
def test_an_access_stops_before_its_instruction(text, is_store):
    program = staged(text)
    ram = bytes(program.memory.ram)
    program.processor.watchpoints.add(watch := Watch(DATA, 1))

    reason = program.run(10_000)

    assert isinstance(reason, Watchpoint)
    assert (reason.cia, reason.ea, reason.is_store, reason.watch) == (AT, DATA, is_store, watch)
    assert (program.cia, program.now) == (AT, COUNT)
    assert program.memory.ram == ram


@pytest.mark.parametrize(("text", "is_store"), CASES)
def test_only_the_kind_of_access_that_is_watched_stops(text, is_store):
    program = staged(text)
    program.processor.watchpoints.add(Watch(DATA, 1, loads=is_store, stores=not is_store))

    assert program.run(10_000) == BUDGET_SPENT


@pytest.mark.parametrize("text", [*LOADS, *STORES])
def test_bytes_beside_the_access_do_not_stop_it(text):
    program, plain = staged(text), staged(text)
    program.processor.watchpoints.update((Watch(DATA + 128, 8), Watch(DATA - 1, 1)))

    assert program.run(10_000) == plain.run(10_000) == BUDGET_SPENT
    assert program.seen() == plain.seen()


@pytest.mark.parametrize("text", ["stmw 20,0(9)", "lmw 20,0(9)", "stswi 4,9,30", "lswi 20,9,30"])
def test_an_instruction_with_many_accesses_has_done_nothing(text):
    program = staged(text)
    program.run(COUNT)
    before = program.seen()
    program.processor.watchpoints.add(Watch(DATA + 20, 4))

    reason = program.run(10_000)

    assert isinstance(reason, Watchpoint)
    assert reason.ea + reason.length > DATA + 20 >= reason.ea
    assert program.seen() == before


@pytest.mark.parametrize("start", [EDGE, EDGE + 1])
@pytest.mark.parametrize("text", ["ld 4,0(9)", "stdx 4,0,9", "stfd 4,0(9)"])
@pytest.mark.parametrize("watched", [DATA + PAGE - 1, DATA + PAGE])
def test_an_access_that_crosses_pages_stops_for_either(text, start, watched):
    program = staged(text, r9=start)
    program.processor.watchpoints.add(Watch(watched, 1))

    reason = program.run(10_000)

    assert isinstance(reason, Watchpoint)
    assert (reason.ea, reason.length, program.now) == (start, 8, COUNT)


def test_a_store_under_a_reservation_stops():
    program = staged("lwarx 4,0,9; addi 4,4,1; stwcx. 4,0,9")
    program.processor.watchpoints.add(Watch(DATA, 4, loads=False))

    reason = program.run(10_000)

    assert isinstance(reason, Watchpoint)
    assert (reason.cia, reason.is_store, program.now) == (AT + 8, True, COUNT + 2)
    assert program.run(1) == BUDGET_SPENT
    assert program.memory.read(DATA, 4) == bytes((0, 1, 2, 4))


@pytest.mark.parametrize(("text", "is_store"), [(PLD, False), (PSTD, True)])
def test_a_prefixed_access_stops(text, is_store):
    program = staged(text, isa=Isa.V3_1)
    program.processor.watchpoints.add(Watch(DATA + 7, 1))

    reason = program.run(10_000)

    assert isinstance(reason, Watchpoint)
    assert (reason.cia, reason.is_store, program.now) == (AT, is_store, COUNT)


@pytest.mark.parametrize(("text", "is_store"), CASES)
def test_the_next_run_makes_the_access(text, is_store):
    program, plain = staged(text), staged(text)
    program.processor.watchpoints.add(Watch(DATA, 256, loads=not is_store, stores=is_store))

    hits = []
    while isinstance(reason := program.run(1000 - program.now), Watchpoint):
        hits.append(program.now)
    plain.run(1000)

    assert reason == BUDGET_SPENT
    assert hits == [*range(COUNT, 1000, ROUND)]
    assert program.seen() == plain.seen()


def test_a_run_that_happens_to_begin_at_the_access_stops_for_it():
    program = staged("stw 4,0(9)")
    program.processor.watchpoints.add(Watch(DATA, 4))

    assert program.run(COUNT) == BUDGET_SPENT
    assert isinstance(program.run(1), Watchpoint)
    assert program.run(1) == BUDGET_SPENT


def test_a_watched_instruction_at_a_breakpoint_stops_for_each():
    program = staged("stw 4,0(9)")
    program.processor.watchpoints.add(Watch(DATA, 4))
    program.processor.breakpoints.add(AT)

    assert program.run(1000) == Breakpoint(AT)
    assert isinstance(program.run(1000), Watchpoint)
    assert program.run(1000) == Breakpoint(AT)
    assert program.now == COUNT + ROUND


def test_watchpoints_come_and_go_between_runs():
    program = staged("stw 4,0(9)")
    program.run(2000)
    program.processor.watchpoints.add(Watch(DATA, 1))
    assert isinstance(program.run(1000), Watchpoint)
    program.processor.watchpoints.clear()
    assert program.run(1000) == BUDGET_SPENT
    program.processor.watchpoints.add(Watch(DATA + 3, 1))
    assert isinstance(program.run(1000), Watchpoint)


def test_an_access_that_ends_in_an_interrupt_stops_nobody():
    program = staged("lqarx 10,0,9", r9=DATA + 8)
    program.processor.watchpoints.add(Watch(DATA, 64))
    program.processor.breakpoints.add(0x600)

    assert program.run(1000) == Breakpoint(0x600)


def test_storage_is_translated_again_where_it_is_watched():
    program = staged("stw 4,0(9)", msr=MSR_IR | MSR_DR, ram=room(), r9=0x7000_0010)
    trees = switch_on(program)
    for tree in trees.values():
        tree.map(CODE, CODE, 12, ALL)
        tree.map(0x7000_0000, DATA, 12, ALL)
    other = Watch(DATA + 0x10, 4)
    program.processor.watchpoints.add(other)
    assert program.run(1000) == BUDGET_SPENT

    program.processor.watchpoints.add(real := Watch(DATA + 0x12, 1, real=True))
    reason = program.run(1000)
    assert isinstance(reason, Watchpoint)
    assert (reason.ea, reason.watch) == (0x7000_0010, real)

    program.processor.watchpoints.remove(real)
    program.processor.watchpoints.add(effective := Watch(0x7000_0013, 5))
    assert program.run(1) == BUDGET_SPENT
    reason = program.run(1000)
    assert isinstance(reason, Watchpoint)
    assert (reason.ea, reason.watch) == (0x7000_0010, effective)


def test_a_stop_records_no_access_in_page_tables():
    program = staged("stw 4,0(9)", msr=MSR_IR | MSR_DR, ram=room(), r9=0x7000_0010)
    trees = switch_on(program)
    for tree in trees.values():
        tree.map(CODE, CODE, 12, ALL)
        tree.map(0x7000_0000, DATA, 12, ALL)
    program.processor.watchpoints.add(Watch(DATA + 0x12, 1, real=True))
    program.run(COUNT)
    before = program.seen()

    assert isinstance(program.run(1000), Watchpoint)
    assert program.seen() == before
    assert program.processor.locate(0x7000_0010) == DATA + 0x10
    assert program.processor.locate(0x7001_0010) is None
    assert program.seen() == before


def test_addresses_are_effective_ones_in_real_mode_too():
    program = staged("stw 4,0(9)", r9=0xC000_0000_0000_0000 + DATA)
    program.processor.watchpoints.add(Watch(DATA, 4))
    assert program.run(1000) == BUDGET_SPENT

    program.processor.watchpoints.add(Watch(DATA, 4, real=True))
    assert isinstance(program.run(1000), Watchpoint)


def test_a_hypercall_ends_a_run_as_ever():
    program = staged("sc 1")
    program.processor.watchpoints.add(Watch(DATA, 4))

    assert program.run(1000) == PaprHcall()
    assert program.now == COUNT + 1


@pytest.mark.parametrize("where", [(0, 0), (0, 1 << 20), (-1, 1), ((1 << 64) - 1, 2)])
def test_a_watchpoint_has_bytes_at_addresses(where):
    with pytest.raises(BadUsage):
        Watch(*where)
