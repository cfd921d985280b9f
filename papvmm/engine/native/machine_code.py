"""Machine code that needs no linker, out of the ELF objects that LLVM writes."""

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import Final, NamedTuple

_HEADER: Final = Struct("<40xQ10xHHH")
"""Offset of the section headers, their size and number, and which names them."""
_SECTION: Final = Struct("<IIQQQQIIQQ")
_SYMBOL: Final = Struct("<IBBHQQ")
_RELOCATION: Final = Struct("<QIIq")
_DISTANCE: Final = Struct("<i")
_SYMBOLS: Final = 2
_RELOCATIONS: Final = 4
_RELATIVE: Final = 2
"""R_X86_64_PC32: the distance from the field to the symbol, plus the addend."""
_FUNCTION: Final = 2
_CONSTANTS: Final = ".rodata"
_ALIGNMENT: Final = 64
"""No vector constant asks for more."""


class NotSelfContained(ValueError):
    """An object refers to something outside its text and constants."""


class MachineCode(NamedTuple):
    """Position-independent code with its constants, and where in it functions are.

    It must be placed at a multiple of 64.
    """

    text: bytes
    offsets: Mapping[str, int]


class _Section(NamedTuple):
    name: str
    kind: int
    content: bytes
    link: int
    target: int


def machine_code(elf: bytes) -> MachineCode:
    """Return the text and constants of an x86-64 ELF object; it must need no others."""
    sections = list(_sections(elf))
    texts = [n for n, s in enumerate(sections) if s.name == ".text"]
    if len(texts) != 1:
        raise NotSelfContained("there is no single .text")
    (text,) = texts
    code = bytearray(sections[text].content)
    places = {text: 0}
    for number, section in enumerate(sections):
        if section.name.startswith(_CONSTANTS):
            code += bytes(-len(code) % _ALIGNMENT)
            places[number] = len(code)
            code += section.content
    for section in sections:
        if section.kind == _RELOCATIONS and section.target in places:
            _relocate(code, section, sections[section.link].content, places)
    return MachineCode(bytes(code), _functions(sections, text))


def _relocate(
    code: bytearray, relocations: _Section, symbols: bytes, places: Mapping[int, int]
) -> None:
    """Fill in how far code and constants are from what refers to them."""
    start = places[relocations.target]
    for at, kind, number, addend in _RELOCATION.iter_unpack(relocations.content):
        _, _, _, where, value, _ = _SYMBOL.unpack_from(symbols, number * _SYMBOL.size)
        if kind != _RELATIVE or where not in places:
            raise NotSelfContained(f"a relocation of kind {kind}")
        _DISTANCE.pack_into(code, start + at, places[where] + value + addend - start - at)


def _functions(sections: Sequence[_Section], text: int) -> dict[str, int]:
    offsets = {}
    for section in sections:
        if section.kind == _SYMBOLS:
            names = sections[section.link].content
            for name, info, _, where, value, _ in _SYMBOL.iter_unpack(section.content):
                if info & 15 == _FUNCTION and where == text:
                    offsets[_name(names, name)] = value
    return offsets


def _sections(elf: bytes) -> Iterator[_Section]:
    start, size, count, naming = _HEADER.unpack_from(elf)
    headers = [_SECTION.unpack_from(elf, start + size * n) for n in range(count)]
    names = elf[headers[naming][4] :]
    for name, kind, _, _, offset, length, link, target, _, _ in headers:
        yield _Section(_name(names, name), kind, elf[offset : offset + length], link, target)


def _name(names: bytes, start: int) -> str:
    return names[start : names.index(0, start)].decode()
