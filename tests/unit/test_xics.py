"""The interrupt controller by its rules in PAPR: who is offered what, and what that changes."""

import pytest

from papvmm.devices.xics import IPI, LEAST_FAVOURED, Xics

SOURCE, OTHER = 0x1100, 0x1101


class Lines:
    """The interrupt inputs of servers 0 and 1."""

    def __init__(self) -> None:
        self.levels = {0: False, 1: False}

    def drive(self, server: int, *, pending: bool) -> None:
        self.levels[server] = pending


def controller() -> tuple[Xics, Lines]:
    lines = Lines()
    return Xics((0, 1), (SOURCE, OTHER), lines.drive), lines


def willing(*, cppr: int = LEAST_FAVOURED) -> tuple[Xics, Lines]:
    xics, lines = controller()
    xics.set_cppr(0, cppr)
    xics.set_cppr(1, cppr)
    return xics, lines


def test_after_power_on_no_server_is_willing_and_every_source_is_masked():
    xics, lines = controller()

    xics.request_ipi(0, 0)
    xics.trigger(SOURCE)

    assert (lines.levels, xics.accept(0)) == ({0: False, 1: False}, 0)


def test_an_ipi_raises_the_line_of_its_server_until_it_is_accepted():
    xics, lines = willing()

    xics.request_ipi(1, 4)
    raised = dict(lines.levels)
    xirr = xics.accept(1)

    assert raised == {0: False, 1: True}
    assert (xirr, lines.levels) == (0xFF << 24 | IPI, {0: False, 1: False})


def test_accepting_makes_the_interrupts_priority_the_servers_own():
    xics, _ = willing()

    xics.request_ipi(0, 4)
    xics.accept(0)

    assert xics.presentations[0].cppr == 4


def test_an_ipi_that_is_still_requested_comes_again_after_its_end():
    xics, lines = willing()
    xics.request_ipi(0, 4)
    xirr = xics.accept(0)

    xics.end(0, xirr)

    assert lines.levels[0]
    assert xics.accept(0) == xirr


def test_an_ipi_withdrawn_while_it_was_handled_does_not_come_again():
    xics, lines = willing()
    xics.request_ipi(0, 4)
    xirr = xics.accept(0)

    xics.request_ipi(0, LEAST_FAVOURED)
    xics.end(0, xirr)

    assert (lines.levels[0], xics.accept(0)) == (False, 0xFF << 24)


@pytest.mark.parametrize(("cppr", "comes"), [(4, False), (5, False), (6, True)])
def test_only_what_is_more_favoured_than_the_server_is_offered(cppr, comes):
    xics, lines = willing(cppr=cppr)

    xics.request_ipi(0, 5)

    assert lines.levels[0] is comes


def test_a_source_interrupts_the_server_it_is_routed_to():
    xics, lines = willing()
    xics.route(SOURCE, 1, 5)

    xics.trigger(SOURCE)

    assert lines.levels == {0: False, 1: True}
    assert xics.accept(1) == 0xFF << 24 | SOURCE


def test_an_edge_interrupts_once():
    xics, lines = willing()
    xics.route(SOURCE, 0, 5)
    xics.trigger(SOURCE)

    xics.end(0, xics.accept(0))

    assert not lines.levels[0]


def test_a_more_favoured_source_displaces_one_that_waits_to_be_accepted():
    xics, _ = willing()
    xics.route(SOURCE, 0, 7)
    xics.route(OTHER, 0, 5)
    xics.trigger(SOURCE)
    xics.trigger(OTHER)

    first = xics.accept(0)
    xics.end(0, first)
    second = xics.accept(0)

    assert (first, second) == (0xFF << 24 | OTHER, 0xFF << 24 | SOURCE)


def test_a_server_that_becomes_less_willing_gives_back_what_it_was_offered():
    xics, lines = willing()
    xics.route(SOURCE, 0, 5)
    xics.trigger(SOURCE)

    xics.set_cppr(0, 5)
    refused = dict(lines.levels)
    xics.set_cppr(0, LEAST_FAVOURED)

    assert (refused[0], lines.levels[0]) == (False, True)
    assert xics.accept(0) & 0xFF_FFFF == SOURCE


def test_a_masked_source_keeps_its_interrupt_until_it_is_unmasked():
    xics, lines = willing()
    xics.route(SOURCE, 0, 5)
    xics.mask(SOURCE)
    xics.trigger(SOURCE)
    masked = dict(lines.levels)

    xics.unmask(SOURCE)

    assert (masked[0], lines.levels[0]) == (False, True)


def test_rerouting_takes_what_waits_along():
    xics, lines = controller()
    xics.set_cppr(1, LEAST_FAVOURED)
    xics.route(SOURCE, 0, 5)
    xics.trigger(SOURCE)

    xics.route(SOURCE, 1, 5)

    assert lines.levels == {0: False, 1: True}


def test_a_reset_drops_everything():
    xics, lines = willing()
    xics.route(SOURCE, 0, 5)
    xics.trigger(SOURCE)

    xics.reset()

    assert lines.levels == {0: False, 1: False}
    assert xics.sources[SOURCE].priority == LEAST_FAVOURED
