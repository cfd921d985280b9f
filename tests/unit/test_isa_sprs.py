"""The table of SPRs against what a POWER9 guest may do with each number."""

import re

import pytest

from papvmm.isa.exit import Exit
from papvmm.isa.ir import Leave, Next
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.spec.sprmove import READ, WRITE
from papvmm.isa.sprs import SPRS, Access
from papvmm.isa.state import CELLS

BY_NAME = {instruction.mnemonic: instruction for instruction in INSTRUCTIONS}
SUPERVISOR_SPRS = (
    "1 3 8 9 13 17 18 19 22 26 27 28 29 48 61 136r 144 152w 153 157 159 176r 256 259r 269r "
    "272 273 274 275 283r 287r 308r 309r 446r 768r 769 770 771 772 773 774 775 776 779 780r "
    "781r 782r 784 785 786 787 788 789 790 791 792 795 796 797 798 800 801 802 803 804 805 806 "
    "815 823 848r 849r 895 896 898 1023r"
)
"""What the sprs test of kvm-unit-tests reads and writes as a POWER9 guest's kernel."""


def template(mnemonic, number, *, problem_state):
    return BY_NAME[mnemonic].template((number,), problem_state=problem_state)


@pytest.mark.parametrize("entry", SUPERVISOR_SPRS.split())
def test_a_kernel_reaches_every_spr_of_a_power9_guest(entry):
    number, access = re.fullmatch(r"(\d+)(\w?)", entry).groups()
    expected = {"": Access.RW, "r": Access.R, "w": Access.W}[access]

    assert SPRS[int(number)].access == expected


def test_every_register_is_a_cell_or_has_functions_for_what_it_allows():
    for spr in SPRS.values():
        stored = spr.name.lower() in CELLS
        available = spr.facility is None or spr.facility.name != "TM"

        assert stored or not available or (Access.R not in spr.access or spr.name in READ)
        assert stored or not available or (Access.W not in spr.access or spr.name in WRITE)


@pytest.mark.parametrize("mnemonic", ["mfspr", "mtspr"])
@pytest.mark.parametrize(
    ("number", "user", "kernel"),
    [
        (0, Exit.ILLEGAL, Exit.ILLEGAL),
        (2, Exit.ILLEGAL, None),
        (1000, Exit.ILLEGAL, None),
        (808, None, None),
        (811, None, None),
        (886, Exit.PRIVILEGED, None),
        (318, Exit.PRIVILEGED, None),
        (26, Exit.PRIVILEGED, None),
        (128, Exit.FACILITY_TM, Exit.FACILITY_TM),
    ],
)
def test_a_number_of_no_use_is_refused_or_does_nothing(mnemonic, number, user, kernel):
    for problem_state, reason in ((True, user), (False, kernel)):
        end = template(mnemonic, number, problem_state=problem_state).end

        assert (end.reason if isinstance(end, Leave) else None) == reason


def test_a_kernel_leaves_the_register_of_an_undefined_spr_unchanged():
    assert not template("mfspr", 886, problem_state=False).writes
    assert template("mfspr", 886, problem_state=False).end == Next()


@pytest.mark.parametrize("number", [4, 5, 6])
def test_old_numbers_can_be_written_but_not_read(number):
    assert template("mfspr", number, problem_state=False).end.reason is Exit.ILLEGAL
    assert template("mtspr", number, problem_state=False).end == Next()


@pytest.mark.parametrize("number", [22, 29, 48, 61])
def test_writing_what_governs_interrupts_and_accesses_makes_the_engine_look_again(number):
    assert template("mtspr", number, problem_state=False).end.reason is Exit.CONTEXT
