"""What ``papvmm bench`` makes of its runs."""

import re
from dataclasses import replace

import pytest

from papvmm.observe.bench.catalogue import Kind
from papvmm.observe.bench.figures import guest_time
from papvmm.observe.bench.picture import axis_of, picture
from papvmm.observe.bench.table import significant, table
from tests.bench_samples import comparison, row

HALF = row("half", ours=[1, 1, 9], theirs=[2, 4, 18])
TWICE = row("twice", ours=[4, 4, 4], theirs=[2, 2, 2])
FIFTH = row("fifth", ours=[0.2], theirs=[1.0])
HCALL = row("hcall", ours=[0.3], theirs=[0.1], kind=Kind.EVENT, events=100_000, event="hypercalls")
BROKEN = replace(row("broken", ours=[]), trouble="QEMU: exit code 1: no")


def test_a_ratio_is_the_median_of_the_pairs_ratios():
    """The medians' ratio would be 1/4."""
    assert HALF.ratio(guest_time) == 0.5


def test_a_row_without_qemu_or_in_trouble_has_no_ratio():
    assert row("alone", ours=[1]).ratio(guest_time) is None
    assert replace(HALF, trouble="checksums differ").ratio(guest_time) is None


def test_the_mean_is_geometric_and_of_the_programs_that_compute():
    assert comparison(HALF, TWICE, HCALL, BROKEN).geomean(guest_time) == pytest.approx(1)


def test_a_million_instructions_are_512000_ticks():
    assert HALF.instructions == 1_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.50"), (9.876, "9.88"), (34.56, "34.6"), (345.6, "346"), (1e4, "10000")],
)  # fmt: skip
def test_figures_are_written_with_the_digits_that_count(value, text):
    assert significant(value) == text


def test_the_table_has_programs_their_mean_events_and_troubles():
    assert (
        table(comparison(HALF, TWICE, HCALL, BROKEN))
        == """\
papvmm -accel native, against QEMU 7.2.22 (TCG), scale 100M, medians of 3 runs

                       million  papvmm              QEMU                  papvmm / QEMU
                  instructions       s     M/s         s     M/s      time    wall     CPU
half                       1.0    1.00    1.00      4.00    0.25      0.50    1.00    1.00
twice                      1.0    4.00    0.25      2.00    0.50      2.00    1.00    1.00
                geometric mean                                        1.00    1.00    1.00

                                papvmm              QEMU
hcall               hypercalls 3.00 µs           1.00 µs              3.00

broken: QEMU: exit code 1: no"""
    )


def bars(svg: str) -> list[tuple[str, float, float]]:
    """Class, left and right edge of every bar."""
    found = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="15" rx="2"'
                       r' class="(fine|bad)">', svg)  # fmt: skip
    return [(name, float(x), float(x) + float(width)) for x, width, name in found]


def line_at_one(svg: str) -> float:
    (x,) = re.findall(r'<line x1="([\d.]+)"[^>]* class="handover">', svg)
    return float(x)


def test_a_bar_leads_from_the_line_at_one_to_the_faster_side():
    svg = picture(comparison(HALF, TWICE))
    one = line_at_one(svg)

    (half, twice, _mean) = bars(svg)

    assert half[0] == "fine"
    assert twice[0] == "bad"
    assert half[2] == pytest.approx(one, abs=0.02)
    assert twice[1] == pytest.approx(one, abs=0.02)
    assert one - half[1] == pytest.approx(twice[2] - one, abs=0.03)


def test_a_bar_has_its_figure_and_its_name():
    texts = re.findall(r"<text[^>]*>([^<]+)</text>", picture(comparison(FIFTH, HCALL)))

    assert [text for text in texts if text in ("fifth", "0.20", "hcall", "3.00")] == [
        "fifth", "0.20", "hcall", "3.00",
    ]  # fmt: skip
    assert "events" in texts


@pytest.mark.parametrize(
    ("ratios", "marks"),
    [
        ([0.3, 1.1], ["1/4", "1/2", "1", "2"]),
        ([1.0], ["1/2", "1", "2"]),
        ([150.0, 0.5], ["1/10", "1", "10", "100", "1,000"]),
    ],
)
def test_an_axis_has_one_and_a_step_to_both_sides(ratios, marks):
    assert [text for text, _ in axis_of(ratios).marks] == marks


def test_a_heading_says_how_it_was_measured():
    cold = replace(comparison(HALF, qemu=""), cold=True, runs=1)

    assert table(cold).splitlines()[0] == "papvmm -accel native, cold, scale 100M, 1 run"


def test_an_event_of_less_than_a_microsecond_is_shown_in_nanoseconds():
    sc = row("scrfid", ours=[0.03], kind=Kind.EVENT, events=100_000, event="system calls")

    assert table(comparison(sc, qemu="")).splitlines()[-1].split()[-2:] == ["300", "ns"]
