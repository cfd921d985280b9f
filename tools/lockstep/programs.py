"""Random programs: code that mostly works, in which everything that is built may happen.

There are loops, calls, computed branches, accesses of all sizes in and across pages and at the
ends of RAM, reservations, interrupts and returns from them, the decrementer and the time base,
and code that changes itself. One in eight programs is no more than random words.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import Final, Literal, TypeAlias

from papvmm.isa.encode import assemble, assemble_program
from papvmm.isa.msr import (
    MSR_BE,
    MSR_EE,
    MSR_FE0,
    MSR_FP,
    MSR_LE,
    MSR_ME,
    MSR_PR,
    MSR_SE,
    MSR_SF,
    MSR_VEC,
    MSR_VSX,
)
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.isa.state import (
    CIA,
    CTR,
    DEC_EXPIRY,
    FPSCR,
    GPR,
    LPCR,
    LPCR_ILE,
    LPCR_LD,
    LR,
    MSR,
    NOW,
    SRR1,
    ArchState,
)
from tools.lockstep.words import INDEX, OF_UNITS, PURE, STORAGE, TARGETS, USUAL, a_word

RAM: Final = 0x8000
FIRST_CODE: Final = 0x1000
DATA: Final = 0x5000
ENDS: Final = (0, 4, RAM - 8, RAM - 1, RAM, 1 << 60, 1 << 63, (1 << 64) - 8, 0xC000_0000_0000_0100)
UNITS: Final = MSR_FP | MSR_VEC | MSR_VSX
ROUND: Final = 3
INEXACT: Final = 0x8200_0000
ENABLED: Final = 0xF8
"""FPSCR: RN; FX and XX; all exceptions enabled."""
SPECIAL_DOUBLES: Final = (
    0, 1 << 63, 0x7FF0 << 48, 0xFFF8 << 48, 0x7FF0 << 48 | 1, 1, 0x000F_FFFF_FFFF_FFFF,
    0x3FF0 << 48, 0x7FEF_FFFF_FFFF_FFFF, 0x36A0 << 48, 0x47EF_FFFF_E000_0000, 0x43E0 << 48,
)  # fmt: skip

Words: TypeAlias = list[int]

SKIP_AND_RETURN: Final = (
    "mfspr 29,26; addi 29,29,4; mtspr 26,29; mfspr 29,27; rldicl 29,29,49,1; rldicl 29,29,15,0;"
    " mtspr 27,29; rfid"
)
"""Go on after the interrupted instruction, in supervisor state: MSR[PR] would mean translation."""
START_AGAIN: Final = f"li 29,{FIRST_CODE}; mtspr 26,29; rfid"
SET_DEC_AND_RETURN: Final = "li 29,0x100; mtspr 22,29; rfid"
RETURN: Final = "rfid"
VECTORS: Final = (*range(0x100, 0xF00, 0x80), 0xF20, 0xF40, 0xF60)

STORED: Final = ("addi 5,5,0", "add 6,6,4", "lwz 7,0(1)", "nop", "xor. 8,5,4")
"""What code that changes itself becomes."""
SIZES: Final = {1: "b", 2: "h", 4: "w", 8: "d", 16: "q"}


@dataclass(frozen=True, slots=True)
class Case:
    """A program in RAM: what is there, from where to where it is code, and how it begins."""

    seed: int
    pieces: tuple[tuple[int, bytes], ...]
    little_endian: bool
    changes_itself: bool
    code: range

    def begin(self, state: ArchState, start: int, now: int) -> None:
        """Set all registers, as the random choice number ``start`` has it."""
        random = Random(f"{self.seed} {start}")
        state.buffer[:] = bytes(len(state.buffer))
        for number in range(32):
            values = (random.choice(ENDS), random.randrange(RAM), random.getrandbits(64))
            state.write(GPR, random.choice(values), number)
        for number, value in self._pointers(random).items():
            state.write(GPR, value, number)
        for number in range(64):
            state.set_vsr(number, _a_vector(random))
        state.cr, state.xer = random.getrandbits(32), random.getrandbits(32)
        order = MSR_LE if self.little_endian else 0
        odd = random.choice((*[0] * 12, MSR_PR, MSR_PR, MSR_PR, MSR_SE, MSR_BE, MSR_SF, MSR_FE0))
        units = UNITS if random.random() < 0.7 else random.getrandbits(64) & UNITS
        msr = (MSR_SF | MSR_ME | order | units) ^ odd | random.choice((0, MSR_EE))
        state.write(MSR, msr)
        state.write(SRR1, msr)
        state.write(LPCR, (LPCR_ILE if order else 0) | random.choice((0, LPCR_LD)))
        state.write(DEC_EXPIRY, now // 2 + random.randrange(2000))
        state.write(
            FPSCR, random.choice((0, 0, random.getrandbits(32) & 0xFFFF_F7FF & ~0x6000_0000))
        )
        state.write(LR, random.choice(self.code))
        state.write(CTR, random.choice((3, 100, random.choice(self.code))))
        state.write(NOW, now)
        state.write(CIA, FIRST_CODE)

    def _pointers(self, random: Random) -> dict[int, int]:
        code = random.choice(self.code) if self.changes_itself else DATA + 0x100
        return {
            1: DATA + random.choice((0, 0x80, 1, 7)),
            2: DATA + 0x1000 - random.choice((8, 1, 4, 16)),
            3: code, 21: RAM - random.choice((8, 64, 3)), 22: random.choice(ENDS),
            INDEX: random.choice((0, 8, 16, 1, -8 % (1 << 64))),
            19: assemble(random.choice(STORED)),
        }  # fmt: skip


def _a_vector(random: Random) -> int:
    halves = (
        random.choice((random.choice(SPECIAL_DOUBLES), random.getrandbits(64), _a_number(random)))
        for _ in range(2)
    )
    high, low = halves
    return high << 64 | low


def _a_number(random: Random) -> int:
    """Return a double of moderate size; every other one fits a single."""
    fraction = random.getrandbits(52) & random.choice((-1, -1 << 29, -1 << 45))
    return random.getrandbits(1) << 63 | random.randrange(1023 - 40, 1023 + 40) << 52 | fraction


@cache
def _text(text: str) -> Words:
    return assemble_program(text)


class Program:
    """A random program under construction."""

    def __init__(self, seed: int) -> None:
        self.random: Final = Random(seed)
        self.words: Words = []
        self.functions: list[int] = []
        self.changes_itself = self.random.random() < 0.2
        self._crosses = self.random.random() < 0.3
        """It lies across the end of a page."""

    # Pieces, all of which end where the next one begins.

    def straight(self, most: int = 8) -> Words:
        """Return a few instructions in a row, and short branches over some of them."""
        random, words = self.random, Words()
        for _ in range(random.randint(1, most)):
            chance = random.random()
            if chance > 0.96 and self.changes_itself:
                words.append(assemble(f"stw 19,{4 * random.randrange(32)}(3)"))
            elif chance < 0.50:
                words.append(a_word(random, PURE))
            elif chance < 0.76:
                words.append(a_word(random, STORAGE))
            elif chance < 0.88:
                words.append(a_word(random, OF_UNITS))
            elif chance < 0.95:
                words += self.skip()
            elif chance < 0.99:
                words.append(a_word(random, USUAL))
            else:
                words.append(
                    random.choice((a_word(random, list(INSTRUCTIONS)), random.getrandbits(32)))
                )
        return words

    def skip(self) -> Words:
        """Return a conditional branch, of any kind, over a few instructions."""
        random = self.random
        over = [a_word(random, PURE) for _ in range(random.randint(1, 3))]
        options = (
            random.choice((0, 2, 4, 8, 10, 12, 16, 18, 20)) << 21 | random.getrandbits(5) << 16
        )
        return [0x4000_0000 | options | 4 * len(over) + 4, *over]

    def loop(self) -> Words:
        """Return a loop that counts in a GPR or in CTR."""
        random = self.random
        count = random.choice((2, 5, 20, 60))
        body = [word for _ in range(random.randint(1, 3)) for word in self.straight(6)]
        if random.random() < 0.5:
            body = _text(f"li 1,{DATA}") + body
        if random.random() < 0.5:
            end = [*_text("addic. 25,25,-1"), assemble(f"bne {-4 * len(body) - 4}")]
            return _text(f"li 25,{count}") + body + end
        return _text(f"li 24,{count}; mtctr 24") + body + [assemble(f"bdnz {-4 * len(body)}")]

    def call(self) -> Words:
        """Return a call of a function, direct or computed."""
        if not self.functions:
            return self.straight()
        target = self.random.choice(self.functions)
        if self.random.random() < 0.6:
            return [assemble(f"bl {target - self._here()}")]
        return _text(f"li 28,{target}; mtctr 28; bctrl")

    def switch(self) -> Words:
        """Return a computed branch to one of four instructions."""
        number = self.random.choice(TARGETS)
        table = self._here() + 5 * 4
        first = [assemble(f"clrlslwi 28,{number},30,2"), assemble(f"addi 28,28,{table}")]
        return first + _text("mtctr 28; nop; bctr") + [a_word(self.random, PURE) for _ in range(4)]

    def reserve(self) -> Words:
        """Return a load and reserve, and a store conditional that may be of another size."""
        random = self.random
        size = random.choice(list(SIZES))
        other = size if random.random() < 0.8 else random.choice(list(SIZES))
        place = DATA + random.choice((0, 16, 32, size, 8))
        between = self.straight(2) if random.random() < 0.4 else []
        load, store = (4, 6) if random.random() < 0.8 else (random.choice((4, 6)), 6)
        return [
            *_text(f"li 23,{place}"), assemble(f"l{SIZES[size]}arx {load},0,23"), *between,
            assemble(f"st{SIZES[other]}cx. {store},0,23"),
        ]  # fmt: skip

    def system(self) -> Words:
        """Return something that only the kernel may do, or that calls it."""
        random = self.random
        there = self._here() + 20
        texts = (
            "sc", "sc", f"li 24,{random.randrange(1, 400)}; mtspr 22,24; mfspr 5,22",
            "mftb 4,268; mfspr 5,268", "mfspr 6,22", f"tw {random.randrange(32)},4,5",
            f"tdi {random.randrange(32)},4,{random.randrange(-9, 9)}",
            "mfmsr 24; xori 24,24,0x8000; mtmsrd 24,1", "li 24,-32768; mtmsrd 24,1",
            "mfmsr 24; mtmsrd 24,0", f"mfmsr 24; mtspr 27,24; li 24,{there}; mtspr 26,24; rfid",
            f"mfmsr 24; xori 24,24,0x8000; mtspr 27,24; li 24,{there + 4}; mtspr 26,24; rfid",
            "mtspr 272,4; mfspr 5,272", "mfspr 7,9; mfspr 8,8", "dcbz 0,1", "icbi 0,3; isync",
            "mtcrf 255,4; mcrxrx 3", "lmw 27,0(1)", "stmw 27,4(1)", "sync; eieio; isync",
            f"li 24,{random.randrange(40)}; mtspr 1,24; lswx 4,0,1",
        )  # fmt: skip
        return _text(random.choice(texts))

    def wild(self) -> Words:
        """Return words that are hardly ever more than a few sensible instructions in a row."""
        random = self.random
        pool = random.choice((None, list(INSTRUCTIONS), USUAL))
        length = random.choice((8, 30, 200))
        return [
            random.getrandbits(32) if pool is None else a_word(random, pool) for _ in range(length)
        ]

    # The whole.

    def build(self) -> Words:
        """Return the program's words; they begin at FIRST_CODE."""
        if self.random.random() < 0.125:
            return self.wild()
        self.words = [0] * (1000 if self._crosses else 1)
        for _ in range(self.random.randrange(4)):
            self._function()
        self.words[0] = assemble(f"b {4 * len(self.words)}")
        main = 4 * len(self.words)
        kinds: dict[Callable[[], Words], int] = {
            self.straight: 4, self.loop: 5, self.call: 4, self.switch: 1, self.reserve: 1,
            self.system: 2,
        }  # fmt: skip
        for make in self.random.choices(list(kinds), list(kinds.values()), k=self._size()):
            self.words += make()
        self.words.append(assemble(f"b {main - 4 * len(self.words)}"))
        return self.words

    def _size(self) -> int:
        return self.random.choice((1, 2, 4, 8, 12))

    def _function(self) -> None:
        """Add a function, which may call one before it."""
        random, inner = self.random, self.functions and self.random.random() < 0.5
        start = self._here()
        if inner:
            self.words += _text("mfspr 27,8")
            self.words += self.straight(3)
            self.words += self.call()
            self.words += _text("mtspr 8,27")
        self.words += random.choice((self.straight, self.loop, self.skip))()
        if random.random() < 0.3:
            self.words += _text("beqlr")
        self.words += self.straight(3) + _text("blr")
        self.functions.append(start)

    def _here(self) -> int:
        return FIRST_CODE + 4 * len(self.words)


def generate(seed: int) -> Case:
    """Return the program of a number."""
    program = Program(seed)
    words, random = program.build(), program.random
    order: Literal["little", "big"] = "little" if random.random() < 0.5 else "big"
    code = b"".join(word.to_bytes(4, order) for word in words)
    last = FIRST_CODE + len(code) - 4
    return Case(
        seed,
        (*_handlers(random, order), (FIRST_CODE, code)),
        order == "little",
        program.changes_itself,
        range(max(FIRST_CODE, last - 600), last + 4, 4),
    )


def _handlers(random: Random, order: Literal["little", "big"]) -> Iterator[tuple[int, bytes]]:
    for vector in VECTORS:
        match vector:
            case 0x900:
                text = SET_DEC_AND_RETURN
            case 0xC00:
                text = RETURN
            case _:
                text = SKIP_AND_RETURN if random.random() < 0.9 else START_AGAIN
        yield vector, b"".join(word.to_bytes(4, order) for word in _text(text))
