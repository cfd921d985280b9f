"""``x`` and ``xp``: memory as numbers, characters or instructions, in QEMU's columns."""

import re
from collections.abc import Callable, Iterator
from typing import Final, Literal, NamedTuple, TypeAlias

from papvmm.bits import M64
from papvmm.control.hmp.command import Refusal
from papvmm.isa.disasm import disassemble
from papvmm.papr.hcall import INSTRUCTION

Order: TypeAlias = Literal["little", "big"]
Read: TypeAlias = Callable[[int, int], bytes | None]
"""Returns so many bytes at an address, or None if there are none."""

SIZES: Final = {"b": 1, "h": 2, "w": 4, "g": 8}
MOST: Final = 1 << 16
"""Items that one command shows."""
MOST_DIGITS: Final = 9
_FORMAT: Final = re.compile(r"/(\d*)([xduoci]?)([bhwg]?)")


class Format(NamedTuple):
    """How many items, shown how (one of ``xduoci``), of how many bytes each."""

    items: int
    shown_as: str
    size: int


def read_format(text: str) -> Format:
    """Read ``/FMT``: a count, a letter for how, a letter for the size; Refusal if it is none."""
    match = _FORMAT.fullmatch(text)
    if match is None or len(match[1]) > MOST_DIGITS:
        raise Refusal(f"'{text}' is no format: /COUNT, one of x d u o c i, one of b h w g")
    count = int(match[1] or 1)
    if count > MOST:
        raise Refusal(f"{count} items are more than {MOST}")
    shown_as = match[2] or "x"
    size = {"c": 1, "i": INSTRUCTION}.get(shown_as) or SIZES[match[3] or "w"]
    return Format(count, shown_as, size)


def listing(form: Format, start: int, read: Read, order: Order) -> Iterator[str]:
    """Yield the lines; the last one says so where there is no memory."""
    if form.shown_as == "i":
        a_line = INSTRUCTION
    else:
        a_line = 8 if form.size == 1 and form.shown_as != "c" else 16
    end = start + form.items * form.size
    for address in range(start, end, a_line):
        data = read(address & M64, min(a_line, end - address))
        if data is None:
            yield f"{address & M64:016x}: Cannot access memory\n"
            return
        yield f"{_line(form, address & M64, data, order)}\n"


def _line(form: Format, address: int, data: bytes, order: Order) -> str:
    if form.shown_as == "i":
        word = int.from_bytes(data, order)
        return f"0x{address:08x}:  {word:08x}  {disassemble(word, address)}"
    items = (data[at : at + form.size] for at in range(0, len(data), form.size))
    shown = (_item(int.from_bytes(item, order), form) for item in items)
    return f"{address:016x}: {' '.join(shown)}"


def _item(value: int, form: Format) -> str:
    bits = 8 * form.size
    match form.shown_as:
        case "x":
            return f"0x{value:0{bits // 4}x}"
        case "o":
            digits = f"0{value:o}" if value else "0"
            return digits.rjust((bits + 2) // 3)
        case "c":
            return repr(chr(value)) if 0x20 <= value < 0x7F else f"'\\x{value:02x}'"
        case shown_as:
            sign = 1 << bits - 1 if shown_as == "d" else 0
            return str((value ^ sign) - sign).rjust((10 * bits + 32) // 33)
