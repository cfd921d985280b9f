"""What a region is made of: where it begins, and which code it has."""

from papvmm.engine.native.flow import Explorer
from papvmm.engine.native.region_job import LOOKED_UP, MET, UNMET, Known
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE
from tests.programs import CODE, image


def explorer(*texts, unmet=(), looked_up=(), avoided=()):
    """An explorer of pages of code that was all met, unless said otherwise."""
    pages = {}
    for number, text in enumerate(texts):
        page = CODE + number * PAGE
        words = image(text, at=page)
        met = bytearray([MET] * (len(words) // 4)).ljust(PAGE // 4, bytes([UNMET]))
        for places, how in ((unmet, UNMET), (looked_up, LOOKED_UP)):
            for ea in places:
                if ea // PAGE == page // PAGE:
                    met[ea % PAGE // 4] = how
        pages[page] = Known(words.ljust(PAGE, b"\0"), bytes(met))
    return Explorer(0, Isa.V3_0, pages, frozenset(avoided))


def test_a_region_begins_where_the_innermost_loop_around_a_place_does():
    flow = explorer("li 3,5; mtctr 3; addi 4,4,1; addi 5,5,1; bdnz -8; b -20").region(CODE + 12)

    assert CODE + 8 in flow.entries
    assert flow.code.keys() == set(range(CODE, CODE + 24, 4))


def test_outside_a_loop_it_begins_behind_the_last_branch_that_never_goes_on():
    flow = explorer("addi 3,3,1; blr; addi 4,4,1; addi 5,5,1; blr").region(CODE + 12)

    assert flow.entries == {CODE + 8}


def test_outside_a_loop_it_begins_where_execution_came_from_elsewhere():
    text = "addi 3,3,1; addi 4,4,1; addi 5,5,1; blr"

    assert explorer(text, looked_up=[CODE + 4]).region(CODE + 8).entries == {CODE + 4}


def test_code_that_was_not_met_is_no_part_of_it():
    flow = explorer("cmpdi 3,0; beq 8; b -8; b -12", unmet=[CODE + 12]).region(CODE)

    assert flow.code.keys() == {CODE, CODE + 4, CODE + 8}


def test_lines_to_avoid_are_no_part_of_it():
    text = "; ".join(["nop"] * (CODE_LINE // 4))

    flow = explorer(f"{text}; b -128", avoided=[CODE // CODE_LINE + 1]).region(CODE)

    assert flow.code.keys() == set(range(CODE, CODE + CODE_LINE, 4))


def test_a_place_where_nothing_was_met_has_none():
    assert not explorer("nop; b -4").region(CODE + 5 * PAGE).code


def test_it_goes_on_in_the_next_page_with_a_block_of_its_own():
    flow = explorer("; ".join(["nop"] * (PAGE // 4)), f"nop; b {-PAGE - 4}").region(CODE)

    assert CODE + PAGE + 4 in flow.code
    assert CODE + PAGE in flow.leaders


def test_computed_branches_go_to_what_was_looked_up_and_returns_do_not():
    text = "mtctr 3; bctrl; b -8; addi 4,4,1; blr"

    flow = explorer(text, looked_up=[CODE + 12]).region(CODE)

    assert flow.targets == {CODE + 12}
    assert flow.return_sites == {CODE + 8}
