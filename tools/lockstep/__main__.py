"""Compare engines on generated programs: python3 tools/lockstep [--cases N] [--first N].

With --translated, programs have radix trees, then hashed page tables; with --stops, breakpoints
and watchpoints come and go as well, in every mode. Then all engines are compared with the stepper.

A case is a random program that begins with random registers. Most are run by the native
interpreter, a few of them at a time on each program; the others in regions, where it pays to
begin one program often. RAM lies between guarded pages: an access beside it ends the process.
A program has a number, and is the same every time.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.programs import HOT, NATIVE, REGIONS
from tests.property import test_hashed_programs as hashed
from tests.property import test_stops as stops
from tests.property import test_translated_programs as radix
from tools.lockstep.engines import INTERPRETED, LONG, TRANSLATED, EnginesDisagree, Pair, Plan

ROUND: Final = 51
"""Programs in a round, of which one is run in regions."""
MOST: Final = 10
"""Differences after which there is no point in going on."""
OFTEN: Final = 60.0
"""Seconds between two lines that tell how far it is."""

Runs: TypeAlias = Callable[[int], Iterator[tuple[tuple[object, ...], tuple[object, ...]]]]
"""What came of a program on each of ``ENGINES``, and on the stepper."""
ENGINES: Final = ("cold Python", "hot Python", "native", "regions")
TRANSLATING: Final[list[tuple[str, Runs]]] = [
    ("radix", lambda number: radix.runs(radix.stage, number)),
    ("hashed", lambda number: radix.runs(hashed.stage, number)),
]
STOPPING: Final[list[tuple[str, Runs]]] = [
    (f"stopping {kind}", partial(stops.runs, kind)) for kind in stops.STAGES
]


class Tally:
    """How far it is, and what was found."""

    def __init__(self) -> None:
        self.cases = self.instructions = self.differences = 0
        self._told = time.monotonic()

    def compare(self, pair: Pair, number: int, plan: Plan) -> bool:
        """Compare the engines on one program; tell whether they agree, and print if not."""
        self.cases += plan.starts
        try:
            self.instructions += pair.compare(number, plan)
        except EnginesDisagree as difference:
            self.differences += 1
            print(f"{difference}\n", flush=True)
            return False
        if time.monotonic() - self._told > OFTEN:
            self._told = time.monotonic()
            print(self, file=sys.stderr, flush=True)
        return True

    def compare_with_stepper(self, name: str, runs: Runs, number: int) -> None:
        """Compare all engines on one program of a kind; print where they differ."""
        for engine, (seen, expected) in zip(ENGINES, runs(number), strict=True):
            self.cases += 1
            if seen != expected:
                self.differences += 1
                print(f"{name} program {number}: the {engine} engine differs from the stepper")
                print(f"  it stopped at {seen[0]}, not at {expected[0]}", flush=True)

    def __str__(self) -> str:
        return (
            f"{self.cases} cases, {self.instructions} instructions, "
            f"{self.differences} differences, {time.process_time():.0f} s of processor time"
        )


def main() -> int:
    """Compare until all cases are done, or too many differ; print the differences and totals."""
    parser = argparse.ArgumentParser(prog="tools/lockstep", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first program")
    parser.add_argument(
        "--long",
        action="store_true",
        help="cases of a million instructions, each a program of its own, in regions",
    )
    parser.add_argument("--translated", action="store_true", help="with translation on")
    parser.add_argument("--stops", action="store_true", help="with breakpoints and watchpoints")
    arguments = parser.parse_args()
    tally, number = Tally(), arguments.first
    kinds = TRANSLATING * arguments.translated + STOPPING * arguments.stops
    interpreter = Pair(NATIVE)
    while tally.cases < arguments.cases and tally.differences < MOST:
        if kinds:
            for name, runs in kinds:
                tally.compare_with_stepper(name, runs, number)
        elif arguments.long:
            tally.compare(Pair(REGIONS, reference=HOT), number, LONG)
        elif number % ROUND:
            if not tally.compare(interpreter, number, INTERPRETED):
                interpreter = Pair(NATIVE)
        else:
            tally.compare(Pair(REGIONS), number, TRANSLATED)
        number += 1
    print(f"programs {arguments.first} to {number - 1}: {tally}")
    return 1 if tally.differences else 0


if __name__ == "__main__":
    sys.exit(main())
