"""What an ELF file says beyond what is loaded: sections, symbols, and what its numbers mean.

pyelftools reads it. It answers hostile files with exceptions of many kinds, and a file whose
tables are damaged has none here.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from io import BytesIO
from struct import Struct
from struct import error as struct_error
from typing import Final, Literal, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.construct.core import ConstructError
from elftools.elf.descriptions import describe_e_machine
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_E_MACHINE, ENUM_E_TYPE

_SHDR_SIZE: Final = 64
_FUNCTION: Final = 2
"""STT_FUNC; STT_NOTYPE and STT_OBJECT are less, what is no symbol of ours is more."""
_SHF_EXECINSTR: Final = 4
_LONGEST_NAME: Final = 4096
_RESERVED: Final = 0xFF00
"""The first section index that is none (SHN_LORESERVE)."""
_MALFORMED: Final = (
    ELFError, ConstructError, struct_error, AssertionError, ArithmeticError, AttributeError,
    LookupError, TypeError, ValueError,
)  # fmt: skip
"""What pyelftools raises on files that are not what they say."""


class Symbol(NamedTuple):
    """A named address, as linked; ``size`` may be 0."""

    vaddr: int
    size: int
    name: str


class _Section(NamedTuple):
    """A section header, as far as it matters here, and what it describes."""

    name: bytes
    kind: str | int
    address: int
    link: int
    executable: bool
    content: memoryview


def processor(machine: int) -> str:
    """Return what people call the processor that e_machine stands for."""
    name = _name_of(machine, ENUM_E_MACHINE)
    description: str | None = None if name is None else describe_e_machine(name)
    return description or "another processor"


def file_type(number: int) -> str:
    """Return the ELF specification's name of an e_type."""
    return _name_of(number, ENUM_E_TYPE) or str(number)


def _name_of(number: int, names: Mapping[str, object]) -> str | None:
    return next((name for name, known in names.items() if known == number), None)


def _string(table: bytes, offset: int) -> bytes:
    """Return the string at ``offset`` of a string table, empty if there is none."""
    end = table.find(b"\0", offset, offset + _LONGEST_NAME)
    return table[offset:end] if end >= 0 else b""


class Tables:
    """The section and symbol tables of a ppc64 ELF file of an ABI version."""

    def __init__(self, data: bytes, abi: int) -> None:
        self._data: Final = memoryview(data)
        self._abi: Final = abi
        self._little_endian: Final = data[5] == 1
        self._order: Final[Literal["little", "big"]] = "little" if self._little_endian else "big"

    def code_of(self, vaddr: int) -> int:
        """Follow an ELFv1 function descriptor, if ``vaddr`` is one's address."""
        if self._opd is None:
            return vaddr
        start, descriptors = self._opd
        offset = vaddr - start
        if not 0 <= offset <= len(descriptors) - 8:
            return vaddr
        return int.from_bytes(descriptors[offset : offset + 8], self._order)

    @cached_property
    def _opd(self) -> tuple[int, memoryview] | None:
        """The address and content of the function descriptors; ABI version 1 only."""
        if self._abi != 1:
            return None
        for section in self._sections:
            if section.name == b".opd":
                return section.address, section.content
        return None

    @cached_property
    def _sections(self) -> list[_Section]:
        """The sections; none if their table is damaged."""
        try:
            elf = ELFFile(BytesIO(self._data))
            count, table = elf.header["e_shnum"], elf.header["e_shoff"]
            if elf.header["e_shentsize"] != _SHDR_SIZE:
                return []
            if table + count * _SHDR_SIZE > len(self._data):
                return []
            headers = [
                struct_parse(elf.structs.Elf_Shdr, elf.stream, table + index * _SHDR_SIZE)
                for index in range(count)
            ]
        except _MALFORMED:
            return []
        contents = [self._data[h["sh_offset"] :][: h["sh_size"]] for h in headers]
        names_at: int = elf.header["e_shstrndx"]
        names = bytes(contents[names_at]) if names_at < count else b""
        return [
            _Section(
                name=_string(names, h["sh_name"]),
                kind=h["sh_type"],
                address=h["sh_addr"],
                link=h["sh_link"],
                executable=bool(h["sh_flags"] & _SHF_EXECINSTR),
                content=content,
            )
            for h, content in zip(headers, contents, strict=True)
        ]

    def executable_sections(self) -> list[tuple[int, memoryview]]:
        """Return address and content of the sections that hold instructions."""
        return [
            (section.address, section.content)
            for section in self._sections
            if section.executable and section.kind == "SHT_PROGBITS"
        ]

    @cached_property
    def _symbols(self) -> list[Symbol]:
        """Named functions and objects by address; a damaged table has those that can be read."""
        return sorted(
            Symbol(self.code_of(vaddr) if kind == _FUNCTION else vaddr, size, name)
            for vaddr, size, kind, name in self._read_symbols()
        )

    def _read_symbols(self) -> Iterator[tuple[int, int, int, str]]:
        entry = Struct("<IBBHQQ" if self._little_endian else ">IBBHQQ")
        sections = self._sections
        for section in sections:
            if section.kind != "SHT_SYMTAB" or section.link >= len(sections):
                continue
            names = bytes(sections[section.link].content)
            whole = section.content[: len(section.content) // entry.size * entry.size]
            for offset, info, _other, index, value, size in entry.iter_unpack(whole):
                kind, name = info & 15, _string(names, offset)
                if kind <= _FUNCTION and 0 < index < _RESERVED and name:
                    yield value, size, kind, name.decode("utf-8", "replace")

    @cached_property
    def named(self) -> dict[str, int]:
        """Addresses by name, as linked."""
        return {symbol.name: symbol.vaddr for symbol in self._symbols}

    def symbol_at(self, vaddr: int) -> tuple[str, int] | None:
        """Return the nearest symbol at or below ``vaddr`` that reaches it, and the distance."""
        at = bisect_right(self._symbols, vaddr, key=lambda symbol: symbol.vaddr)
        if at == 0:
            return None
        symbol = self._symbols[at - 1]
        distance = vaddr - symbol.vaddr
        return None if symbol.size and distance >= symbol.size else (symbol.name, distance)
