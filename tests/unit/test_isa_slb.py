"""The instructions that read and write the segment lookaside buffer."""

import pytest

from papvmm.engine.exits import PaprHcall
from papvmm.isa.state import SLB_ESID, SLB_VSID
from tests.hash_pages import KP, KS, LARGE_1T, C, N, rb, rs
from tests.programs import Program

pytestmark = pytest.mark.usefixtures("every_engine")

VALID = 1 << 27
EA, OTHER = 0x3_0000_0000, 0x7_0000_0000
ENTRIES = {
    0: (rb(EA), rs(0x11)),
    1: (rb(OTHER), rs(0x12, base=16, flags=KS | KP)),
    5: (rb(1 << 40, size=LARGE_1T), rs(0x13, size=LARGE_1T, flags=N | C)),
    31: (rb(0xC << 60, size=LARGE_1T), rs(0x14, base=24, size=LARGE_1T, flags=KP | C)),
}


def run(text, entries=ENTRIES, **registers):
    """Run a program with these entries in the SLB."""
    program = Program(f"{text}; sc 1", **registers)
    for index, (esid, vsid) in entries.items():
        program.state.write(SLB_ESID, esid, index)
        program.state.write(SLB_VSID, vsid, index)
    assert program.run(100) == PaprHcall()
    return program


def valid(program):
    return {n for n in range(32) if program.state.read(SLB_ESID, n) & VALID}


def entry(program, index):
    return program.state.read(SLB_ESID, index), program.state.read(SLB_VSID, index)


def test_an_entry_is_moved_in_and_out_in_its_two_halves():
    vsid = rs(0x3_FFFF_FFFF_FFFF, base=16, flags=KS | KP | N | C)
    program = run(
        "slbmte 3,4; slbmfee 5,6; slbmfev 7,6", {}, r3=vsid, r4=rb(EA, 9), r6=9, r5=1, r7=1
    )

    assert entry(program, 9) == (rb(EA), vsid)
    assert (program.gpr(5), program.gpr(7)) == (rb(EA), vsid)
    assert valid(program) == {9}


def test_what_is_reserved_in_an_entry_reads_as_zero():
    program = run("slbmte 3,4", {}, r3=(1 << 64) - 1, r4=(1 << 64) - 1 - 0xFFF)

    assert entry(program, 0) == (0xFFFF_FFFF_F800_0000, 0xFFFF_FFFF_FFFF_FFB0)


def test_an_invalid_entry_can_be_moved_in():
    assert valid(run("slbmte 3,4", r3=0, r4=5)) == {0, 1, 31}


@pytest.mark.parametrize(
    ("ea", "left"),
    [
        (EA, {1, 5, 31}), (EA + 0xFFF_FFFF, {1, 5, 31}), (EA + 0x1000_0000, {0, 1, 5, 31}),
        (1 << 40, {0, 1, 31}), ((2 << 40) - 1, {0, 1, 31}), (2 << 40, {0, 1, 5, 31}),
        (0xC << 60 | 1 << 39, {0, 1, 5}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["slbie 3", "slbieg 4,3"])
def test_the_entry_that_translates_an_address_is_invalidated(ea, left, text):
    program = run(text, r3=ea & -1 << 28)

    assert valid(program) == left
    assert entry(program, 5)[1] == ENTRIES[5][1]


@pytest.mark.parametrize(
    ("hint", "left"),
    [(0, {0}), (1, {0}), (2, {0}), (3, {0, 1}), (4, set()), (6, {0}), (7, {0, 1, 5, 31})],
)
def test_a_hint_says_which_entries_are_invalidated_with_all(hint, left):
    assert valid(run(f"slbia {hint}")) == left


@pytest.mark.parametrize(
    ("ea", "found"),
    [(EA + 0x1234, 0), (OTHER, 1), ((2 << 40) - 1, 5), (0xC << 60, 31), (2 << 40, None)],
)
@pytest.mark.parametrize("so", [0, 1])
def test_an_entry_is_found_by_an_address_and_cr0_says_so(ea, found, so):
    program = run(f"li 5,0; {'mtxer 6; ' * so}slbfee. 3,4", r3=7, r4=ea, r6=1 << 31)

    assert program.gpr(3) == (0 if found is None else ENTRIES[found][1])
    assert program.state.cr >> 28 == (0 if found is None else 2) | so


def test_slbsync_changes_nothing():
    program = run("slbsync")

    assert {n: entry(program, n) for n in ENTRIES} == ENTRIES
