"""Damaged areas scripts run, or are refused with one line."""

import gzip
import random
from pathlib import Path

import pytest

from papvmm.errors import BadInput
from papvmm.machine.areas_script import difference, parse_script, run_script

DATA = Path(__file__).parent.parent / "data" / "areas-kvm-3.7.jsonl.gz"
SNIPPETS = ("", " ", "0", "-1", "99999999999999999999", "0x", '"', "}", "[", "null", "é", "\x00")


def damaged(line: str, numbers: random.Random) -> str:
    """Return ``line`` with up to four cuts, repetitions or insertions."""
    for _ in range(numbers.randint(1, 4)):
        start = numbers.randrange(len(line))
        end = min(start + numbers.randint(0, 12), len(line))
        put = numbers.choice([*SNIPPETS, line[start:end] * 2, chr(numbers.randrange(32, 127))])
        line = line[:start] + put + line[end:]
    return line


def outcome(line: str) -> str:
    """Run a script; return what the user is told if it can't be."""
    try:
        script = parse_script(line, "here")
        found = difference(script, run_script(script)) if script.exp is not None else None
    except BadInput as error:
        return str(error)
    return found or "as expected"


def check(count: int) -> None:
    with gzip.open(DATA, "rt") as lines:
        scripts = [line for _, line in zip(range(20), lines, strict=False)]
    numbers = random.Random(7)

    told = [outcome(damaged(numbers.choice(scripts).rstrip(), numbers)) for _ in range(count)]

    assert all("\n" not in text for text in told)
    assert "as expected" in told
    assert sum(text.startswith("here: ") for text in told) > count // 10


def test_damaged_scripts():
    check(300)


@pytest.mark.slow
def test_many_damaged_scripts():
    check(10_000)
