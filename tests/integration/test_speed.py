"""How fast the Python engine is: CPU time on the machine as it is, best of three."""

import pytest

from tools.bench.loops import mips

pytestmark = pytest.mark.slow


def best(name: str) -> float:
    return max(mips(name, budget=500_000) for _ in range(3))


@pytest.mark.parametrize("name", ["count", "integer chain", "copy", "sieve", "calls"])
def test_a_loop_runs_at_two_million_instructions_a_second(name):
    assert best(name) >= 2


@pytest.mark.parametrize("where", ["data on the code's page", "data on the next line"])
def test_data_beside_code_costs_no_more_than_half_again(where):
    elsewhere = best("data on another page")

    assert best(where) >= elsewhere / 1.5
