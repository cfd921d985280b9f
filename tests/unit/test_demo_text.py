"""What ``papvmm demo`` prints: a golden for people to review, and its coloured twin."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from papvmm.machine.outcome import HostCrashed, NoProgress
from papvmm.observe.exhibit import Exhibit
from papvmm.observe.text import WIDTH, coloured, draw, plain
from tests.played_reboot import played_exhibit

GOLDEN = Path(__file__).parent / "golden" / "demo.txt"
EXHIBIT = played_exhibit()
WHY = "a null pointer " * 8
CRASHED = replace(EXHIBIT, harmed=replace(EXHIBIT.harmed, outcome=HostCrashed(WHY)))
COMMAND = (
    "papvmm run -m 16 -smp 2 --areas-on-reset keep --next-kernel papvmm-demo/kernel-b.elf"
    " papvmm-demo/kernel-a.elf"
)


def drawn(exhibit: Exhibit = EXHIBIT) -> str:
    return draw(exhibit, "papvmm-demo/report.html", COMMAND, plain)


def test_the_text_is_the_golden_one():
    assert drawn() == GOLDEN.read_text("utf-8")


def test_no_line_is_wider_than_80_columns():
    assert max(map(len, drawn().splitlines())) <= WIDTH


@pytest.mark.parametrize("exhibit", [EXHIBIT, CRASHED])
def test_without_its_colours_the_coloured_text_is_the_plain_one(exhibit):
    text = draw(exhibit, "papvmm-demo/report.html", COMMAND, coloured)

    assert "\x1b[1;31m" in text
    assert re.sub(r"\x1b\[[0-9;]*m", "", text) == drawn(exhibit)


def test_the_command_can_be_pasted_into_a_shell():
    lines = drawn().partition("run it")[2].split("\\\n")

    assert " ".join(" ".join(lines).split()) == COMMAND


def test_an_argument_with_blanks_stays_on_its_line():
    kernel = "'o with blanks/" + "kernel " * 7 + "b.elf'"

    text = draw(EXHIBIT, "report.html", f"papvmm run --next-kernel {kernel} kernel-a.elf", plain)

    assert kernel in text


def test_a_crash_of_the_host_is_the_verdict():
    text = drawn(CRASHED)

    assert "HOST CRASHED" in text
    assert WHY.strip() in " ".join(text.split())


def test_a_run_that_did_not_end_as_it_should_is_not_trusted():
    stuck = replace(EXHIBIT.cured, outcome=NoProgress())
    exhibit = replace(EXHIBIT, cured=stuck)

    assert EXHIBIT.convinces
    assert not exhibit.convinces
    assert "every vcpu waits for ever" in drawn(exhibit)


def test_witnesses_that_contradict_each_other_are_not_trusted():
    testimony = EXHIBIT.harmed.corruption.testimony
    assert testimony is not None
    liar = replace(EXHIBIT.harmed.corruption, testimony=replace(testimony, words=3))
    exhibit = replace(EXHIBIT, harmed=replace(EXHIBIT.harmed, corruption=liar))

    assert not exhibit.convinces
    assert "the guest says 3 words changed, the hypervisor's stores explain 126" in " ".join(
        drawn(exhibit).split()
    )


def test_a_harm_that_does_not_show_convinces_nobody():
    assert not replace(EXHIBIT, harmed=EXHIBIT.cured).convinces
    assert not replace(EXHIBIT, cured=EXHIBIT.harmed).convinces
