"""From the bytes of an ELF file to an image: what goes where, and where to enter.

What a boot needs is in two kinds of headers. All else (sections, symbols, names of processors)
is read by pyelftools, when somebody asks: loading it takes longer than many a guest runs.
Nothing is allocated from what a file claims.
"""

from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple

from papvmm.errors import BadInput

if TYPE_CHECKING:
    from papvmm.boot.elf_tables import Tables

EM_PPC64: Final = 21
DEFAULT_KERNEL_ADDR: Final = 0x400000
"""Where QEMU's pseries puts a kernel that has no place of its own."""

_ET_EXEC: Final = 2
_ET_DYN: Final = 3
_ABI: Final = 3
"""The field of e_flags."""
_PT_LOAD: Final = 1
_PF_X: Final = 1
_CLASSES: Final = {1: 32, 2: 64}
_LITTLE_ENDIAN: Final = {1: True, 2: False}
_IDENT: Final = Struct("4sBB10x")
_EHDR: Final = {True: Struct("<16xHHIQQQIHHHHHH"), False: Struct(">16xHHIQQQIHHHHHH")}
_PHDR: Final = {True: Struct("<IIQQQQQQ"), False: Struct(">IIQQQQQQ")}
_PHDR_SIZE: Final = 56


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


class LoadedImage:
    """An ELF image for ppc64, placed: addresses are guest physical unless they say otherwise.

    ``entry`` is where its first instruction is, ``base`` what the boot protocol calls its load
    address, ``abi`` the ELF ABI version, 1 or 2. Segments are in order of address.
    """

    def __init__(self, file: "_ElfFile", segments: tuple[Segment, ...], entry: int) -> None:
        self.name: Final = file.name
        self.segments: Final = segments
        self.entry: Final = entry
        self.base: Final = segments[0].gpa
        self.little_endian: Final = file.little_endian
        self.abi: Final = file.abi
        self._file: Final = file

    @property
    def end(self) -> int:
        """The gpa after the last byte."""
        return self.segments[-1].end

    @property
    def code(self) -> tuple[Code, ...]:
        """The instructions: executable sections, or segments in a file without such sections."""
        sections = [Code(*section) for section in self._file.tables.executable_sections()]
        segments = (Code(s.vaddr, s.data) for s in self.segments if s.executable)
        return tuple(sorted(sections or segments, key=lambda code: code.vaddr))

    def find(self, name: str) -> int | None:
        """Return where a symbol is in RAM; a function of ELFv1 is its code, not its descriptor."""
        vaddr = self.symbol_address(name)
        return None if vaddr is None else self._loaded(vaddr)

    def locate(self, gpa: int) -> tuple[str, int] | None:
        """Return the symbol that ``gpa`` belongs to, and how far into it; None if unknown."""
        for segment in self.segments:
            if segment.gpa <= gpa < segment.end:
                return self.symbol_at(gpa - segment.gpa + segment.vaddr)
        return None

    def symbol_at(self, vaddr: int) -> tuple[str, int] | None:
        """Return the symbol that an address belongs to as linked, and how far into it."""
        return self._file.tables.symbol_at(vaddr)

    def symbol_of(self, address: int) -> tuple[str, int] | None:
        """Return the symbol of an address as linked, or else guest physical; None if unknown."""
        return self.symbol_at(address) if self.covers(address) else self.locate(address)

    def covers(self, vaddr: int) -> bool:
        """Tell whether an address, as linked, is one of the image's."""
        return any(s.vaddr <= vaddr < s.vaddr + s.size for s in self.segments)

    def symbol_address(self, name: str) -> int | None:
        """Return the address of a symbol as linked; None if there is no such symbol."""
        return self._file.tables.named.get(name)

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
            return LoadedImage(file, segments, vaddr - segment.vaddr + segment.gpa)
    raise BadInput(f"{name} is entered at {vaddr:#x}, where it has no code; link it again")


class _ElfFile:
    """The headers and, when somebody asks, the tables of one file."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name: Final = name
        self._data: Final = data
        if data[:4] != b"\x7fELF":
            raise BadInput(f"{name} is not an ELF file; papvmm runs ppc64 ELF images")
        self.little_endian: Final = self._identify()
        header = _EHDR[self.little_endian].unpack_from(data)
        self._type, machine, _, self._entry, self._phoff, _, flags, _, *table = header
        self._phentsize, self._phnum, *_ = table
        bits = _CLASSES[data[4]]
        if bits != 64 or machine != EM_PPC64:
            from papvmm.boot.elf_tables import processor  # noqa: PLC0415 - see above

            raise BadInput(
                f"{name} is a {bits}-bit ELF for {processor(machine)} (e_machine {machine});"
                f" papvmm runs 64-bit ELFs for ppc64 ({EM_PPC64})"
            )
        if self._type not in (_ET_EXEC, _ET_DYN):
            from papvmm.boot.elf_tables import file_type  # noqa: PLC0415

            raise BadInput(
                f"{name} is an ELF of type {file_type(self._type)}; papvmm runs ET_EXEC and ET_DYN"
            )
        self.abi: Final[int] = flags & _ABI or (2 if self.little_endian else 1)
        if self.abi == _ABI:
            raise BadInput(f"{name} is for ELF ABI version 3, which there isn't; copy it again")

    def _identify(self) -> bool:
        """Return whether a file is little-endian; BadInput if it does not say so properly."""
        what = "it is cut short"
        if len(self._data) >= _EHDR[True].size:
            _, width, order = _IDENT.unpack_from(self._data)
            if width in _CLASSES and order in _LITTLE_ENDIAN:
                return _LITTLE_ENDIAN[order]
            what = "its class or byte order is none there is"
        raise BadInput(f"{self.name} has a damaged ELF header ({what}); copy it again")

    @cached_property
    def tables(self) -> "Tables":
        """The sections and symbols."""
        from papvmm.boot.elf_tables import Tables  # noqa: PLC0415 - a boot needs none

        return Tables(self._data, self.abi)

    def segments(self) -> Iterator[Segment]:
        """Yield the PT_LOAD segments that take room, at their physical addresses."""
        end = self._phoff + self._phnum * _PHDR_SIZE
        if self._phnum and (self._phentsize != _PHDR_SIZE or end > len(self._data)):
            raise BadInput(f"{self.name} has a damaged program header table; copy it again")
        table = memoryview(self._data)[self._phoff : end]
        for kind, flags, offset, vaddr, paddr, filesz, memsz, _ in _PHDR[
            self.little_endian
        ].iter_unpack(table):
            if kind == _PT_LOAD and memsz:
                yield self._segment(offset, filesz, memsz, paddr, vaddr, flags)

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
        data = memoryview(self._data)[offset : offset + filesz]
        return Segment(paddr, vaddr, data, memsz, bool(flags & _PF_X))

    def is_fixed(self, segments: tuple[Segment, ...]) -> bool:
        """Tell whether the image has a place of its own in memory."""
        return self._type == _ET_EXEC and all(s.gpa == s.vaddr for s in segments)

    def entry_vaddr(self) -> int:
        """Return the address of the first instruction.

        e_entry of ELFv1 is that of a function descriptor, but of code in kernels.
        """
        entry: int = self._entry
        return self.tables.code_of(entry) if self.abi == 1 else entry
