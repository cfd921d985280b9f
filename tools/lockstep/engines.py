"""Two engines side by side, on one generated program after the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, cycle
from typing import Final

from papvmm.engine.engine import Engine
from papvmm.engine.exits import BudgetSpent, Crash, ExitReason, Kicked, NotBuilt
from papvmm.engine.lockstep import EnginesDiffer, Lockstep, Twin
from papvmm.engine.processor import Processor
from papvmm.isa.state import CELLS, NOW, ArchState
from papvmm.memory.guest_memory import GuestMemory
from tests.programs import NEVER, GuardedMemory, executor
from tools.lockstep.programs import RAM, Case, generate

PIECE: Final = 256
PATTERN: Final = bytes(number * 7 % 251 for number in range(RAM))
ONCE: Final = (1 << 40,)
IN_PIECES: Final = (1, 1, 2, 5, 30, 64, 65, 100, 300, 700)
"""Budgets, one after the other, again and again."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to run a program, how often, and in which pieces.

    Each start has other registers, and goes on with the code that the starts before made hot.
    """

    total: int
    starts: int = 1
    budgets: tuple[int, ...] = ONCE


INTERPRETED: Final = Plan(200, starts=6, budgets=IN_PIECES)
TRANSLATED: Final = Plan(3000, starts=50)
LONG: Final = Plan(1_000_000)


class EnginesDisagree(Exception):
    """Two engines did not do the same with a generated program."""


class Side:
    """An engine with RAM of its own between guarded pages."""

    def __init__(self, heat: object) -> None:
        self.memory: Final[GuestMemory] = GuardedMemory(RAM)
        self.executor: Final = executor(self.memory, heat)
        self.engine: Final[Engine] = Processor(self.executor, self.memory)
        self.state: Final[ArchState] = self.engine.state

    def load(self, case: Case) -> None:
        """Put a program into RAM, as far as it is not there."""
        wanted = bytearray(PATTERN)
        for at, data in case.pieces:
            wanted[at : at + len(data)] = data
        there = bytes(self.memory.ram)
        if there != wanted:
            for at in range(0, RAM, PIECE):
                if there[at : at + PIECE] != wanted[at : at + PIECE]:
                    self.memory.write(at, wanted[at : at + PIECE])


class Pair:
    """A Python engine, and one to compare with it."""

    def __init__(self, heat: object, *, reference: object = NEVER) -> None:
        self._heat: Final = heat
        self._expected: Final = Side(reference)
        self._checked: Final = Side(heat)
        self._now = 0

    def compare(self, seed: int, plan: Plan) -> int:
        """Run the program of a number; return how many instructions that were.

        Raises ``EnginesDisagree``.
        """
        case, begin = generate(seed), self._now
        for start in range(plan.starts):
            expected, checked = self._expected, self._checked
            case.begin(expected.state, start, self._now)
            checked.state.buffer[:] = expected.state.buffer
            expected.load(case)
            checked.load(case)
            complaints = self._run(plan)
            if complaints:
                where = f"program {seed}, start {start}, {self._heat} engine:"
                told = self._explain(case, start, plan)
                raise EnginesDisagree("\n".join((where, *complaints, told)))
        return self._now - begin

    def _run(self, plan: Plan) -> list[str]:
        """Run both to the end; return what differs."""
        expected, checked = self._expected, self._checked
        end, budgets = self._now + plan.total, chain(plan.budgets, cycle(plan.budgets))
        while self._now < end:
            budget = min(next(budgets), end - self._now)
            reasons = [expected.engine.run(budget), run_kicked(checked.engine, budget)]
            self._now = expected.state.read(NOW)
            if reasons[0] != reasons[1] or expected.state.buffer != checked.state.buffer:
                return [
                    f"{reasons[1]}, not {reasons[0]}",
                    *registers(checked.state, expected.state),
                ]
            if isinstance(reasons[0], NotBuilt | Crash):
                break
        wrong = storage(checked.memory, expected.memory)
        return [] if wrong is None else [wrong]

    def _explain(self, case: Case, start: int, plan: Plan) -> str:
        """Run it again in lock-step, from the first start on; return what that says."""
        checked = Side(self._heat)
        twin = Twin(checked.memory)
        follower = Processor(executor(twin.memory, NEVER), twin.memory)
        engine = Lockstep(checked.engine, follower, twin)
        try:
            for number in range(start + 1):
                case.begin(checked.state, number, checked.state.read(NOW))
                checked.load(case)
                run(engine, plan)
        except EnginesDiffer as error:
            return f"In lock-step, {error}"
        return "In lock-step, it did not happen again."


def run_kicked(engine: Engine, budget: int) -> ExitReason:
    """Run an engine that is kicked, and goes on."""
    end = engine.state.read(NOW) + budget
    engine.kick()
    while (reason := engine.run(end - engine.state.read(NOW))) == Kicked():
        pass
    return reason


def run(engine: Engine, plan: Plan) -> None:
    """Run an engine as a pair is run."""
    end, budgets = engine.state.read(NOW) + plan.total, cycle(plan.budgets)
    reason: ExitReason = BudgetSpent()
    while (left := end - engine.state.read(NOW)) > 0 and not isinstance(reason, NotBuilt | Crash):
        reason = engine.run(min(next(budgets), left))


def registers(state: ArchState, expected: ArchState) -> Iterator[str]:
    """Yield the registers that differ."""
    for cell in CELLS.values():
        for index in range(cell.count):
            if state.read(cell, index) != expected.read(cell, index):
                mine, other = state.read(cell, index), expected.read(cell, index)
                yield f"{cell.name}[{index}] is {mine:#x}, should be {other:#x}"


def storage(memory: GuestMemory, expected: GuestMemory) -> str | None:
    """Return where RAM first differs."""
    mine, other = bytes(memory.ram), bytes(expected.ram)
    if mine == other:
        return None
    at = next(at for at in range(len(mine)) if mine[at] != other[at])
    return f"memory at {at:#x} is {mine[at : at + 16].hex()}, should be {other[at : at + 16].hex()}"
