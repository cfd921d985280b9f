"""Recorded areas scripts: every answer, store and checksum, for the seed's KVM and today's."""

import gzip
from pathlib import Path

import pytest

from papvmm.machine.areas_script import difference, parse_script, run_script

DATA = Path(__file__).parent.parent / "data"


@pytest.mark.parametrize("name", ["areas-kvm-3.7.jsonl.gz", "areas-kvm.jsonl.gz"])
def test_every_recorded_operation_gives_the_recorded_result(name):
    with gzip.open(DATA / name, "rt") as lines:
        scripts = [parse_script(line, f"{name}:{number}") for number, line in enumerate(lines, 1)]

    results = [run_script(script) for script in scripts]

    assert len(scripts) == 100
    differences = [difference(*pair) for pair in zip(scripts, results, strict=True)]
    assert [found for found in differences if found] == []
    looks_inside = [
        (result, expected)
        for script, of_script in zip(scripts, results, strict=True)
        for result, expected in zip(of_script, script.exp, strict=True)
        if expected["op"] == "state"
    ]
    assert len(looks_inside) > 100
    assert all(result == expected for result, expected in looks_inside)
