"""Loops to measure engines with: each runs for ever in 64 KiB of RAM, from address 0."""

import time
from typing import Final

from papvmm.engine.exits import BudgetSpent
from papvmm.isa.encode import assemble_program
from papvmm.isa.msr import MSR_LE, MSR_ME, MSR_SF
from papvmm.isa.state import MSR
from papvmm.machine.engines import make_engines
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable

DATA_BESIDE_CODE: Final = """
        li r4,{data}
start:  li r9,1000; mtctr r9
loop:   addi r5,r5,1; std r5,0(r4); ld r6,8(r4); add r5,r5,r6; bdnz loop; b start
"""

LOOPS: Final = {
    "count": "loop: addi r3,r3,1; b loop",
    "integer chain": """
        li r8,-1
loop:   addi r3,r3,1; add r4,r4,r3; xor r5,r5,r4; rlwinm r6,r5,3,0,31; add r7,r7,r6
        cmpd r3,r8; bne loop; b loop
    """,
    "copy": """
start:  li r9,1000; mtctr r9; li r3,0x4000; li r4,0x6000
loop:   ldu r5,8(r3); stdu r5,8(r4); bdnz loop; b start
    """,
    "sieve": """
start:  li r8,0x4000; mr r9,r8; li r3,1000; mtctr r3; li r0,0
clear:  stb r0,0(r9); addi r9,r9,1; bdnz clear
        li r4,2; li r6,1
next:   add r9,r8,r4; lbz r7,0(r9); cmpwi r7,0; bne done
        add r7,r4,r4
strike: cmpd r7,r3; bge done; stbx r6,r8,r7; add r7,r7,r4; b strike
done:   addi r4,r4,1; cmpd r4,r3; blt next; b start
    """,
    "calls": """
        li r1,0x7000
start:  li r3,5; bl visit; b start
visit:  mflr r0; std r0,16(r1); stdu r1,-64(r1); addi r3,r3,-1; cmpdi r3,0; ble leave; bl visit
leave:  addi r1,r1,64; ld r0,16(r1); mtlr r0; blr
    """,
    "data on another page": DATA_BESIDE_CODE.format(data=0x4000),
    "data on the code's page": DATA_BESIDE_CODE.format(data=0x800),
    "data on the next line": DATA_BESIDE_CODE.format(data=0x90),
    "data on the same line": """
        li r4,0x60
start:  std r5,0(r4); addi r5,r5,1; cmpdi r5,0; add r6,r6,r5; beq start; b start
    """,
}
"""Assembler text by name. The last is never compiled: it stores into the line it runs from."""


def mips(name: str, accel: str = "python", budget: int = 2_000_000) -> float:
    """Return how many million instructions of a loop are run in a second of CPU time."""
    memory = GuestMemory(1 << 16)
    words = assemble_program(LOOPS[name])
    memory.write(0, b"".join(word.to_bytes(4, "little") for word in words))
    (engine,) = make_engines(accel, memory, HashTable(), 1, waits=True)
    engine.state.write(MSR, MSR_SF | MSR_ME | MSR_LE)
    engine.run(budget // 10)
    before = time.process_time()
    reason = engine.run(budget)
    spent = time.process_time() - before
    if reason != BudgetSpent():
        raise ValueError(f"{name} stopped: {reason}")
    return budget / spent / 1e6
