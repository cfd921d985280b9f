"""A guest made to order: it makes hypercalls and RTAS calls and prints what came back."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from papvmm.isa.encode import assemble
from tests.elves import Elf, Load

BASE = 0x400000
BUFFERS = BASE + 0x40000
H_PUT_TERM_CHAR, H_RTAS, POWER_OFF = 0x58, 0xF000, 0x2003


class Call(NamedTuple):
    """Registers r3, r4, ... of a hypercall."""

    token: int
    args: tuple[int, ...]


class Rtas(NamedTuple):
    """Words of an RTAS argument buffer, the returns as they are before the call."""

    words: tuple[int, ...]


def hcall_guest(calls: Sequence[Call | Rtas]) -> bytes:
    """Return an ELF that prints r3 to r6 after each call as 64 letters, "a" for 0 to "p" for 15.

    After an RTAS call, r4 and r5 are the doublewords of the buffer behind its header, r6 is 0.
    """
    code: list[str] = []
    buffers = b""
    for call in calls:
        match call:
            case Call(token, args):
                for register, value in enumerate((token, *args), start=3):
                    code += load_immediate(register, value)
                code.append("sc 1")
            case Rtas(words):
                at = BUFFERS + len(buffers)
                code += [*rtas(at), *load_immediate(12, at), "ld 4,16(12)", "ld 5,24(12)", "li 6,0"]
                buffers += buffer(words)
        code += [f"mr {14 + index},{3 + index}" for index in range(4)]
        for register in range(14, 18):
            code += show(register)
    code += rtas(BUFFERS + len(buffers))
    buffers += buffer((POWER_OFF, 2, 1, 0xFFFF_FFFF, 0xFFFF_FFFF, 0))
    code.append("b 0")
    text = b"".join(assemble(line).to_bytes(4, "big") for line in code)
    image = text.ljust(BUFFERS - BASE, b"\0") + buffers
    return Elf([Load(BASE, image, memsz=0x60000)], entry=BASE).build()


def buffer(words: Sequence[int]) -> bytes:
    """Return a buffer whose first return or argument is 8-aligned, after 4 bytes that aren't it."""
    content = b"".join(word.to_bytes(4, "big") for word in words)
    return (bytes(4) + content).ljust(64, b"\0")


def rtas(at: int) -> list[str]:
    return [*load_immediate(3, H_RTAS), *load_immediate(4, at + 4), "sc 1"]


def load_immediate(register: int, value: int) -> Iterator[str]:
    yield f"li {register},0"
    for shift in (48, 32, 16, 0):
        yield f"sldi {register},{register},16"
        yield f"ori {register},{register},{value >> shift & 0xFFFF}"


def show(register: int) -> Iterator[str]:
    """Print a register: the high half from r6, the low half from r7."""
    for letters in (6, 7):
        yield from ("li 21,8", "mtctr 21", f"li {letters},0")
        yield f"rldicl {register},{register},4,0"
        yield f"andi. 22,{register},15"
        yield from ("addi 22,22,97", f"sldi {letters},{letters},8", f"or {letters},{letters},22")
        yield "bdnz -20"
    yield from (f"li 3,{H_PUT_TERM_CHAR}", "li 4,0", "li 5,16", "sc 1")


def numbers(console: str) -> list[int]:
    """Return the registers that a guest showed."""
    return [
        int("".join(f"{ord(letter) - ord('a'):x}" for letter in console[start : start + 16]), 16)
        for start in range(0, len(console), 16)
    ]


def answers(console: str) -> list[tuple[int, int, int, int]]:
    """Return r3 to r6 after each call, from what the guest printed."""
    return list(zip(*[iter(numbers(console))] * 4, strict=True))
