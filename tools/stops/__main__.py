"""Measure what breakpoints and watchpoints cost: python3 tools/stops.

A loop that loads, adds and stores runs in regions, in real mode and with radix trees; millions
of instructions a second, and microseconds for each stop.
"""

import sys
import time
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from papvmm.engine.exits import BudgetSpent
from papvmm.engine.watch import Watch
from papvmm.isa.msr import MSR_DR, MSR_IR
from tests.page_tables import ALL, room, switch_on
from tests.programs import CODE, DATA, REGIONS, Program

LOOP: Final = "ld 4,0(9); add 4,4,5; std 4,0(9); addi 5,5,1; addi 6,6,3; bdnz -20; b -28; nop"
WARM: Final = 20_000_000
LONG: Final = 200_000_000
HITS: Final = 2_000


def looping(*, translated: bool) -> Program:
    """Return a program that is hot."""
    text = f"li 3,-1; mtctr 3; {LOOP}"
    if not translated:
        program = Program(text, hot=REGIONS, r9=DATA)
    else:
        program = Program(text, hot=REGIONS, r9=DATA, msr=MSR_IR | MSR_DR, ram=room())
        for tree in switch_on(program).values():
            tree.map(CODE, CODE, 12, ALL)
            tree.map(DATA, DATA, 12, ALL)
    program.run(WARM)
    return program


def speed(program: Program, budget: int = LONG) -> float:
    """Return millions of instructions a second."""
    program.run(budget // 10)
    begin = time.perf_counter()
    program.run(budget)
    return budget / (time.perf_counter() - begin) / 1e6


def cost(program: Program) -> float:
    """Return the microseconds of a stop, with what there is between two of them."""
    program.run(1000)
    begin, hits = time.perf_counter(), 0
    while hits < HITS:
        hits += not isinstance(program.run(1 << 40), BudgetSpent)
    return (time.perf_counter() - begin) / hits * 1e6


def main() -> None:
    """Print the figures."""
    for translated in (False, True):
        print("radix trees" if translated else "real mode")
        program = looping(translated=translated)
        engine = program.processor
        print(f"  nothing set                       {speed(program):7.0f} MIPS")
        engine.breakpoints.add(0xC000_0000_0000_4000)
        print(f"  a breakpoint elsewhere            {speed(program):7.0f} MIPS")
        engine.breakpoints.add(CODE + 0x100)
        print(f"  a breakpoint on the page          {speed(program):7.0f} MIPS")
        engine.breakpoints.add(CODE + 8)
        print(f"  a breakpoint in the loop          {cost(program):7.1f} us")
        engine.breakpoints.clear()
        print(f"  nothing set any more              {speed(program):7.0f} MIPS")
        engine.watchpoints.add(Watch(DATA + 0x4000, 8))
        print(f"  a watchpoint elsewhere            {speed(program):7.0f} MIPS")
        engine.watchpoints.add(Watch(DATA + 0x100, 8))
        print(f"  a watchpoint on the page          {speed(program):7.0f} MIPS")
        engine.watchpoints.add(Watch(DATA, 8, loads=False))
        print(f"  a watchpoint in the loop          {cost(program):7.1f} us")
        engine.watchpoints.clear()
        print(f"  nothing set any more              {speed(program):7.0f} MIPS")


if __name__ == "__main__":
    main()
