"""From the bytes of an ELF file to an image: what goes where, and where to enter.

pyelftools reads the headers; it answers hostile files with exceptions of many kinds, which
become one line of ``BadInput`` here. Nothing is allocated from what a file claims.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from io import BytesIO
from itertools import pairwise
from struct import Struct
from struct import error as struct_error
from typing import Final, Literal, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.construct.core import ConstructError
from elftools.elf.descriptions import describe_e_machine
from elftools.elf.elffile import ELFFile

from papvmm.errors import BadInput

EM_PPC64: Final = 21
DEFAULT_KERNEL_ADDR: Final = 0x400000
"""Where QEMU's pseries puts a kernel that has no place of its own."""

_PHDR_SIZE: Final = 56
_SHDR_SIZE: Final = 64
_ABI: Final = 3
"""The field of e_flags."""
_FUNCTION: Final = 2
"""STT_FUNC; STT_NOTYPE and STT_OBJECT are less, what is no symbol of ours is more."""
_PF_X: Final = 1
_SHF_EXECINSTR: Final = 4
_LONGEST_NAME: Final = 4096
_RESERVED: Final = 0xFF00
"""The first section index that is none (SHN_LORESERVE)."""
_MALFORMED: Final = (
    ELFError, ConstructError, struct_error, AssertionError, ArithmeticError, AttributeError,
    LookupError, TypeError, ValueError,
)  # fmt: skip
"""What pyelftools raises on files that are not what they say."""


class Segment(NamedTuple):
    """A PT_LOAD segment: ``data`` goes to ``gpa``, zeroes after it up to ``size`` bytes."""

    gpa: int
    vaddr: int
    data: memoryview
    size: int
    executable: bool

    @property
    def end(self) -> int:
        """The gpa after the last byte."""
        return self.gpa + self.size


class Code(NamedTuple):
    """Instructions, at their address as linked."""

    vaddr: int
    data: memoryview


class Symbol(NamedTuple):
    """A named address, as linked; ``size`` may be 0."""

    vaddr: int
    size: int
    name: str


@dataclass(frozen=True)
class LoadedImage:
    """An ELF image for ppc64, placed: addresses are guest physical unless they say otherwise.

    ``entry`` is where its first instruction is, ``base`` what the boot protocol calls its load
    address, ``abi`` the ELF ABI version, 1 or 2. Segments are in order of address.
    """

    name: str
    segments: tuple[Segment, ...]
    entry: int
    base: int
    little_endian: bool
    abi: int
    _file: "_ElfFile" = field(repr=False, compare=False)

    @property
    def end(self) -> int:
        """The gpa after the last byte."""
        return self.segments[-1].end

    @property
    def code(self) -> tuple[Code, ...]:
        """The instructions: executable sections, or segments in a file without such sections."""
        sections = self._file.executable_sections()
        segments = (Code(s.vaddr, s.data) for s in self.segments if s.executable)
        return tuple(sorted(sections or segments, key=lambda code: code.vaddr))

    def find(self, name: str) -> int | None:
        """Return where a symbol is in RAM; a function of ELFv1 is its code, not its descriptor."""
        vaddr = self._file.named.get(name)
        return None if vaddr is None else self._loaded(vaddr)

    def locate(self, gpa: int) -> tuple[str, int] | None:
        """Return the symbol that ``gpa`` belongs to, and how far into it; None if unknown."""
        for segment in self.segments:
            if segment.gpa <= gpa < segment.end:
                return self.symbol_at(gpa - segment.gpa + segment.vaddr)
        return None

    def symbol_at(self, vaddr: int) -> tuple[str, int] | None:
        """Return the symbol that an address belongs to as linked, and how far into it."""
        return self._file.symbol_at(vaddr)

    def symbol_address(self, name: str) -> int | None:
        """Return the address of a symbol as linked; None if there is no such symbol."""
        return self._file.named.get(name)

    def _loaded(self, vaddr: int) -> int | None:
        for segment in self.segments:
            if segment.vaddr <= vaddr < segment.vaddr + segment.size:
                return vaddr - segment.vaddr + segment.gpa
        return None


def load_elf(name: str, data: bytes, kernel_addr: int = DEFAULT_KERNEL_ADDR) -> LoadedImage:
    """Read an image; BadInput, in one line that begins with ``name``, if it can't be.

    An ET_EXEC image whose physical and virtual addresses agree is placed there. Every other one
    is placed at ``kernel_addr`` plus its physical addresses, as QEMU's pseries does.
    """
    file = _ElfFile(name, data)
    segments = tuple(file.segments())
    if not segments:
        raise BadInput(f"{name} has nothing to load: it has no PT_LOAD segment; link it again")
    if not file.is_fixed(segments):
        segments = tuple(s._replace(gpa=s.gpa + kernel_addr) for s in segments)
    segments = tuple(sorted(segments, key=lambda segment: segment.gpa))
    for before, after in pairwise(segments):
        if before.end > after.gpa:
            raise BadInput(f"{name} has segments that overlap at {after.gpa:#x}; link it again")
    vaddr = file.entry_vaddr()
    for segment in segments:
        if segment.vaddr <= vaddr < segment.vaddr + segment.size and vaddr % 4 == 0:
            entry = vaddr - segment.vaddr + segment.gpa
            break
    else:
        raise BadInput(f"{name} is entered at {vaddr:#x}, where it has no code; link it again")
    return LoadedImage(
        name, segments, entry, segments[0].gpa, file.little_endian, file.abi, _file=file
    )


class _Section(NamedTuple):
    """A section header, as far as it matters here, and what it describes."""

    name: bytes
    kind: str | int
    address: int
    link: int
    executable: bool
    content: memoryview


def _processor(machine: str | int) -> str:
    """Return what people call a processor; pyelftools gives those it knows as strings."""
    description: str | None = describe_e_machine(machine) if isinstance(machine, str) else None
    return description or "another processor"


def _string(table: bytes, offset: int) -> bytes:
    """Return the string at ``offset`` of a string table, empty if there is none."""
    end = table.find(b"\0", offset, offset + _LONGEST_NAME)
    return table[offset:end] if end >= 0 else b""


class _ElfFile:
    """The headers and, when somebody asks, the symbols of one file."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name: Final = name
        self._data: Final = memoryview(data)
        if data[:4] != b"\x7fELF":
            raise BadInput(f"{name} is not an ELF file; papvmm runs ppc64 ELF images")
        try:
            self._elf: Final = ELFFile(BytesIO(data))
            header = self._elf.header
            self._type: Final[str | int] = header["e_type"]
            machine: Final = _processor(header["e_machine"])
            self._phoff: Final[int] = header["e_phoff"]
            self._phentsize: Final[int] = header["e_phentsize"]
            self._phnum: Final[int] = header["e_phnum"]
            self._entry: Final[int] = header["e_entry"]
            flags: Final[int] = header["e_flags"]
        except _MALFORMED as error:
            raise BadInput(f"{name} has a damaged ELF header ({error}); copy it again") from error
        self.little_endian: Final[bool] = self._elf.little_endian
        self._order: Final[Literal["little", "big"]] = "little" if self.little_endian else "big"
        number = int.from_bytes(data[18:20], self._order)
        if self._elf.elfclass != 64 or number != EM_PPC64:
            raise BadInput(
                f"{name} is a {self._elf.elfclass}-bit ELF for {machine} (e_machine {number});"
                f" papvmm runs 64-bit ELFs for ppc64 ({EM_PPC64})"
            )
        if self._type not in ("ET_EXEC", "ET_DYN"):
            raise BadInput(f"{name} is an ELF of type {self._type}; papvmm runs ET_EXEC and ET_DYN")
        self.abi: Final = flags & _ABI or (2 if self.little_endian else 1)
        if self.abi == _ABI:
            raise BadInput(f"{name} is for ELF ABI version 3, which there isn't; copy it again")

    def segments(self) -> Iterator[Segment]:
        """Yield the PT_LOAD segments that take room, at their physical addresses."""
        end = self._phoff + self._phnum * _PHDR_SIZE
        if self._phnum and (self._phentsize != _PHDR_SIZE or end > len(self._data)):
            raise BadInput(f"{self.name} has a damaged program header table; copy it again")
        for index in range(self._phnum):
            position = self._phoff + index * _PHDR_SIZE
            header = struct_parse(self._elf.structs.Elf_Phdr, self._elf.stream, position)
            if header["p_type"] == "PT_LOAD" and header["p_memsz"]:
                yield self._segment(
                    header["p_offset"], header["p_filesz"], header["p_memsz"],
                    header["p_paddr"], header["p_vaddr"], header["p_flags"],
                )  # fmt: skip

    def _segment(
        self, offset: int, filesz: int, memsz: int, paddr: int, vaddr: int, flags: int
    ) -> Segment:
        if offset + filesz > len(self._data):
            raise BadInput(
                f"{self.name} is cut short: a segment ends at byte {offset + filesz},"
                f" the file at {len(self._data)}; copy it again"
            )
        if filesz > memsz:
            raise BadInput(
                f"{self.name} has a segment of {memsz} bytes with {filesz} bytes to load;"
                " link it again"
            )
        data = self._data[offset : offset + filesz]
        return Segment(paddr, vaddr, data, memsz, bool(flags & _PF_X))

    def is_fixed(self, segments: tuple[Segment, ...]) -> bool:
        """Tell whether the image has a place of its own in memory."""
        return self._type == "ET_EXEC" and all(s.gpa == s.vaddr for s in segments)

    def entry_vaddr(self) -> int:
        """Return the address of the first instruction.

        e_entry of ELFv1 is that of a function descriptor, but of code in kernels.
        """
        return self._code_of(self._entry)

    def _code_of(self, vaddr: int) -> int:
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
        if self.abi != 1:
            return None
        for section in self._sections:
            if section.name == b".opd":
                return section.address, section.content
        return None

    @cached_property
    def _sections(self) -> list[_Section]:
        """The sections; none if their table is damaged."""
        elf, header = self._elf, self._elf.header
        count: int = header["e_shnum"]
        table: int = header["e_shoff"]
        if header["e_shentsize"] != _SHDR_SIZE or table + count * _SHDR_SIZE > len(self._data):
            return []
        headers = [
            struct_parse(elf.structs.Elf_Shdr, elf.stream, table + index * _SHDR_SIZE)
            for index in range(count)
        ]
        contents = [self._data[h["sh_offset"] :][: h["sh_size"]] for h in headers]
        names_at: int = header["e_shstrndx"]
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

    def executable_sections(self) -> list[Code]:
        """Return the sections that hold instructions; none if the table is damaged."""
        return [
            Code(section.address, section.content)
            for section in self._sections
            if section.executable and section.kind == "SHT_PROGBITS"
        ]

    @cached_property
    def _symbols(self) -> list[Symbol]:
        """Named functions and objects by address; a damaged table has those that can be read."""
        return sorted(
            Symbol(self._code_of(vaddr) if kind == _FUNCTION else vaddr, size, name)
            for vaddr, size, kind, name in self._read_symbols()
        )

    def _read_symbols(self) -> Iterator[tuple[int, int, int, str]]:
        entry = Struct("<IBBHQQ" if self.little_endian else ">IBBHQQ")
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
