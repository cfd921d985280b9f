"""A listing of an image's instructions, at their addresses as linked, with symbols as labels."""

import re
from collections.abc import Iterator
from struct import Struct
from typing import Final

from papvmm.boot.elf import Code, LoadedImage
from papvmm.errors import BadInput
from papvmm.isa.disasm import disassemble

WORD: Final = 4
FILLER: Final = 4
"""Zero words in a row, at the least, that are listed as one line."""

_TARGET: Final = re.compile(r"^(?P<branch>b\S* .*)0x(?P<target>[0-9a-f]+)$")


def address(image: LoadedImage, text: str) -> int:
    """Return the address, as linked, that a symbol's name or a number stands for."""
    vaddr = image.symbol_address(text)
    if vaddr is not None:
        return vaddr
    try:
        return int(text, 0)
    except ValueError:
        raise BadInput(f"{image.name} has no symbol {text!r}, and it is no address") from None


def listing(image: LoadedImage, start: int, stop: int) -> Iterator[str]:
    """Yield the lines for the instructions from ``start`` up to ``stop``, which is left out."""
    for code in image.code:
        first = max(code.vaddr, start - start % WORD)
        last = min(code.vaddr + len(code.data), stop)
        if first < last:
            part = Code(first, code.data[first - code.vaddr : last - code.vaddr])
            yield from _lines(image, part)


def _lines(image: LoadedImage, code: Code) -> Iterator[str]:
    word = Struct("<I" if image.little_endian else ">I")
    whole = len(code.data) // WORD * WORD
    zeros = 0
    for offset in range(0, whole, WORD):
        vaddr, raw = code.vaddr + offset, bytes(code.data[offset : offset + WORD])
        symbol = image.symbol_at(vaddr)
        label = symbol is not None and symbol[1] == 0
        zeros = 0 if label or any(raw) else zeros + 1
        if zeros >= FILLER:
            if zeros == FILLER:
                yield "\t..."
            continue
        if symbol is not None and label:
            yield f"\n{vaddr:016x} <{symbol[0]}>:"
        text = disassemble(word.unpack(raw)[0], vaddr)
        yield f"{vaddr:8x}:\t{raw.hex(' ')}\t{_with_target(image, text)}"
    for offset in range(whole, len(code.data)):
        yield f"{code.vaddr + offset:8x}:\t{code.data[offset]:02x}\t.byte {code.data[offset]:#04x}"


def _with_target(image: LoadedImage, text: str) -> str:
    """Add the symbol that a branch leads to."""
    match = _TARGET.match(text)
    found = image.symbol_at(int(match["target"], 16)) if match else None
    if found is None:
        return text
    name, distance = found
    return f"{text} <{name}+{distance:#x}>" if distance else f"{text} <{name}>"
