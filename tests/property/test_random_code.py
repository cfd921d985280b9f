"""Random words as code: whatever they are, the outcome is the guest's, and heat changes nothing."""

import random
from itertools import chain, cycle, repeat

import pytest

from papvmm.engine.exits import BudgetSpent, Crash, NotBuilt
from papvmm.isa.encode import assemble
from papvmm.isa.instruction import Privilege
from papvmm.isa.ir import CompareExchange, ExitIf, Load, Next, Store
from papvmm.isa.msr import MSR_BE, MSR_EE, MSR_FP, MSR_PR, MSR_SE, MSR_SF
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.state import DEC_EXPIRY, GPR, LPCR, MSR
from tests.programs import CODE, DATA, NATIVE, NEVER, RAM, REGIONS, Program

TOTAL = 1500
CHUNKS = (1, 1, 2, 5, 30, 64, 65, 100, 700)
EDGES = (0, 4, RAM - 8, RAM - 1, RAM, 1 << 60, 1 << 63, (1 << 64) - 8, 0xC000_0000_0000_0100)

SKIP_AND_RETURN = "mfspr 29,26; addi 29,29,4; mtspr 26,29; rfid"
SET_DEC_AND_RETURN = "li 29,0x100; mtspr 22,29; rfid"

USUAL = [instruction for instruction in INSTRUCTIONS if instruction.privilege is Privilege.NONE]
POINTERS = {1: DATA, 2: DATA + 0xFF8, 3: CODE}
"""Registers that point to data, almost to the end of a page of it, and to code."""
INDEX = 20
STORED = assemble("addi 5,5,0")


def shape(instruction):
    return instruction.template(next(instruction.variants()))


def only_computes(instruction):
    template = shape(instruction)
    kinds = Load | Store | CompareExchange | ExitIf
    return template.end == Next() and not any(isinstance(op, kinds) for op in template.ops)


def accesses(instruction):
    template = shape(instruction)
    return template.end == Next() and any(isinstance(op, Load | Store) for op in template.ops)


PURE = [instruction for instruction in USUAL if only_computes(instruction)]
STORAGE = [instruction for instruction in USUAL if accesses(instruction)]


def a_word(generator, instructions, **fields):
    """Return a random word of some instruction; ``fields`` are its registers, by first bit."""
    form, word = generator.choice(instructions).form, generator.getrandbits(32)
    for bit, number in ((int(name[3:]), number) for name, number in fields.items()):
        word = word & ~(31 << 27 - bit) | number << 27 - bit
    return form.match | word & ~form.mask


def a_sum(generator):
    targets = {"bit6": generator.randrange(4, 19), "bit11": generator.randrange(4, 19)}
    return a_word(generator, PURE, **targets)


def an_access(generator):
    word = a_word(
        generator, STORAGE, bit6=generator.randrange(4, 19), bit11=generator.choice(list(POINTERS))
    )
    return word & ~0xF800 | INDEX << 11 if word >> 26 == 31 else word & ~0xFF80


def a_code_change(generator):
    """Put the instruction in r19, by and by another one, among those that r3 points to."""
    return assemble(generator.choice((f"stw 19,{4 * generator.randrange(40)}(3)", "addi 19,19,1")))


def a_branch(generator, *, least=1):
    condition = generator.choice((0, 2, 4, 8, 10, 12, 16, 18, 20)) << 21
    distance = 4 * generator.randint(least, 4) & 0xFFFC
    return 0x4000_0000 | condition | generator.getrandbits(5) << 16 | distance


def wild_code(generator):
    """Return words that are hardly ever more than a few sensible instructions in a row."""
    pool = generator.choice((None, INSTRUCTIONS, USUAL))
    length = generator.choice((8, 30, 200))
    return [
        generator.getrandbits(32) if pool is None else a_word(generator, pool)
        for _ in range(length)
    ]


def loops(generator):
    """Return loops, one after the other and all in one, of instructions that mostly work."""
    kinds = {
        a_sum: 60,
        an_access: 25,
        a_branch: 8,
        a_code_change: 4,
        lambda generator: a_branch(generator, least=-20): 1,
        lambda generator: a_word(generator, USUAL): 2,
    }
    words = []
    for _ in range(generator.randint(1, 4)):
        makers = generator.choices(list(kinds), kinds.values(), k=generator.randint(2, 14))
        back = -4 * len(makers) - 8
        pointer = generator.choice(list(POINTERS))
        words.append(assemble(f"li 25,{generator.choice((2, 20, 60))}"))
        words.append(assemble(f"li {pointer},{POINTERS[pointer]}"))
        words += [maker(generator) for maker in makers]
        words += [assemble("addic. 25,25,-1"), assemble(f"bne {back}")]
    return [*words, assemble(f"b {-4 * len(words)}")]


def stage(seed, hot):
    """Return a program of random words with random handlers, registers and MSR."""
    generator = random.Random(seed)
    little_endian = generator.random() < 0.5
    program = Program("nop", hot=hot, little_endian=little_endian)
    order, state = "little" if little_endian else "big", program.state
    for vector in range(0x100, CODE, 0x80):
        handler = Program(generator.choice((SKIP_AND_RETURN, f"b {CODE - vector}")), at=vector)
        program.memory.write(vector, handler.memory.read(vector, 16))
    handler = Program(SET_DEC_AND_RETURN, at=0x900)
    program.memory.write(0x900, handler.memory.read(0x900, 12))
    words = generator.choice((wild_code, loops, loops))(generator)
    program.memory.write(CODE, b"".join(word.to_bytes(4, order) for word in words))
    for number in range(32):
        numbers = (generator.choice(EDGES), generator.randrange(RAM), generator.getrandbits(64))
        state.write(GPR, generator.choice(numbers), number)
    for number, value in {**POINTERS, INDEX: 8, 19: STORED}.items():
        state.write(GPR, value, number)
    state.cr, state.xer = generator.getrandbits(32), generator.getrandbits(32)
    odd = generator.choice((*[0] * 9, MSR_PR, MSR_FP, MSR_SE, MSR_BE, MSR_SF))
    state.write(MSR, state.read(MSR) ^ odd | generator.choice((0, MSR_EE)))
    state.write(DEC_EXPIRY, generator.randrange(TOTAL))
    state.write(LPCR, generator.choice((0, 1 << 17)))
    return program


def play(program, budgets):
    """Run ``TOTAL`` instructions, as far as the vcpu comes; return what stopped it when."""
    stops = []
    while program.now < TOTAL:
        reason = program.run(min(next(budgets), TOTAL - program.now))
        if not isinstance(reason, BudgetSpent):
            stops.append((program.now, reason))
        if isinstance(reason, NotBuilt | Crash):
            break
    return stops


@pytest.mark.parametrize("seed", [*range(32), 102])
def test_heat_and_budgets_change_nothing(seed):
    cold = stage(seed, NEVER)
    stops = play(cold, repeat(TOTAL))

    for hot in (1, 2, NATIVE, REGIONS):
        program = stage(seed, hot)
        chunks = chain(CHUNKS, cycle(reversed(CHUNKS)))

        assert play(program, repeat(TOTAL) if hot in (1, REGIONS) else chunks) == stops
        assert program.seen() == cold.seen()
