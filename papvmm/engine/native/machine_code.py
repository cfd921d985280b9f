"""Machine code that needs no linker, out of the ELF objects that LLVM writes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import Final

_HEADER: Final = Struct("<40xQ10xHHH")
"""Offset of the section headers, their size and number, and which names them."""
_SECTION: Final = Struct("<IIQQQQIIQQ")
_SYMBOL: Final = Struct("<IBBHQQ")
_ALLOCATED: Final = 2
_SYMBOLS: Final = 2
_RELOCATIONS: Final = (4, 9)
_FUNCTION: Final = 2


class NotSelfContained(ValueError):
    """An object refers to something outside its text."""


@dataclass(frozen=True, slots=True)
class MachineCode:
    """Position-independent code and where in it functions are."""

    text: bytes
    offsets: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    kind: int
    flags: int
    content: bytes
    link: int
    target: int


def machine_code(elf: bytes) -> MachineCode:
    """Return the text of an x86-64 ELF object and its functions; it must need no linking."""
    sections = list(_sections(elf))
    texts = [n for n, s in enumerate(sections) if s.name == ".text"]
    if len(texts) != 1:
        raise NotSelfContained("there is no single .text")
    (text,) = texts
    for section in sections:
        if section.kind in _RELOCATIONS and section.target == text and section.content:
            raise NotSelfContained(f"{len(section.content) // 24} relocations")
    offsets = {}
    for section in sections:
        if section.kind == _SYMBOLS:
            names = sections[section.link].content
            for name, info, _, where, value, _ in _SYMBOL.iter_unpack(section.content):
                if info & 15 == _FUNCTION and where == text:
                    offsets[_name(names, name)] = value
    return MachineCode(sections[text].content, offsets)


def _sections(elf: bytes) -> Iterator[_Section]:
    start, size, count, naming = _HEADER.unpack_from(elf)
    headers = [_SECTION.unpack_from(elf, start + size * n) for n in range(count)]
    names = elf[headers[naming][4] :]
    for name, kind, flags, _, offset, length, link, target, _, _ in headers:
        yield _Section(_name(names, name), kind, flags, elf[offset : offset + length], link, target)


def _name(names: bytes, start: int) -> str:
    return names[start : names.index(0, start)].decode()
