"""Recorded areas scripts: every answer, store and checksum, for the seed's KVM and today's."""

import gzip
from pathlib import Path

import pytest

from papvmm.machine.areas_script import Script, difference, parse_script, run_script

DATA = Path(__file__).parent.parent / "data"


def scripts(name: str) -> list[Script]:
    with gzip.open(DATA / name, "rt") as lines:
        return [parse_script(line, f"{name}:{number}") for number, line in enumerate(lines, 1)]


@pytest.mark.parametrize("name", ["areas-kvm-3.7.jsonl.gz", "areas-kvm.jsonl.gz"])
def test_every_recorded_operation_gives_the_recorded_result(name):
    recorded = scripts(name)

    differences = [difference(script, run_script(script)) for script in recorded]

    assert len(recorded) == 100
    assert [found for found in differences if found] == []


@pytest.mark.parametrize("name", ["areas-kvm-3.7.jsonl.gz", "areas-kvm.jsonl.gz"])
def test_the_look_inside_agrees_too(name):
    for script in scripts(name):
        looks = [
            (result, expected)
            for result, expected in zip(run_script(script), script.exp, strict=True)
            if result["op"] == "state"
        ]

        assert [result for result, _ in looks] == [expected for _, expected in looks]
