"""The page map: a cell shows the worst that happened to its bytes."""

from papvmm.observe.page_map import Mark, cells_of
from papvmm.observe.record import Spot
from papvmm.trace.events import HvWrite

PAGE = 0x600000
END = 1 << 62


def spot(gpa: int, length: int, *, foreign: bool, survives: bool = True, icount: int = 5) -> Spot:
    new = b"\1" * length
    write = HvWrite(gpa, bytes(length), new, "enter", "VPA", "x", 0, 1, icount, None)
    return Spot(write, write, foreign, now=new if survives else b"\2" * length)


def marked(*spots: Spot, until: int = END) -> dict[int, Mark]:
    cells = cells_of(spots, PAGE, 16, until)
    return {index: cell.mark for index, cell in enumerate(cells) if cell.mark is not Mark.NONE}


def test_a_cell_shows_the_worst_of_what_happened_in_it():
    bad = spot(PAGE, 4, foreign=True)
    overwritten = spot(PAGE + 4, 4, foreign=True, survives=False)
    own = spot(PAGE + 8, 4, foreign=False)

    assert marked(bad, overwritten, own) == {0: Mark.FOREIGN}
    assert marked(overwritten, own) == {0: Mark.OWN}
    assert marked(overwritten) == {0: Mark.OVERWRITTEN}


def test_a_store_marks_every_cell_it_touches_and_no_other_page():
    assert marked(spot(PAGE + 8, 48, foreign=True)) == dict.fromkeys(range(4), Mark.FOREIGN)
    assert marked(spot(PAGE + 4088, 48, foreign=True)) == {255: Mark.FOREIGN}
    assert marked(spot(PAGE - 8, 48, foreign=True)) == dict.fromkeys(range(3), Mark.FOREIGN)
    assert marked(spot(PAGE + 4096, 48, foreign=True)) == {}


def test_what_came_later_is_left_out():
    assert marked(spot(PAGE, 4, foreign=True, icount=7), until=7) == {}
    assert marked(spot(PAGE, 4, foreign=True, icount=6), until=7) == {0: Mark.FOREIGN}
