"""ELF files made to order, and damaged ones."""

import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

ET_EXEC, ET_DYN = 2, 3
PT_LOAD = 1
SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB = 1, 2, 3


@dataclass
class Load:
    """A PT_LOAD segment of an ELF file to make."""

    paddr: int
    data: bytes = b"\x60\0\0\0" * 4
    memsz: int | None = None
    vaddr: int | None = None
    filesz: int | None = None


@dataclass
class Elf:
    """An ELF file to make; ``symbols`` are (name, address, size, type, section)."""

    loads: list[Load] = field(default_factory=lambda: [Load(0x10000)])
    entry: int = 0x10000
    type: int = ET_EXEC
    little: bool = False
    flags: int = 2
    machine: int = 21
    symbols: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    opd: tuple[int, bytes] | None = None
    stripped: bool = False
    phentsize: int = 56

    def build(self) -> bytes:
        order = "<" if self.little else ">"
        header = 64 + 56 * len(self.loads)
        body, programs = b"", b""
        for load in self.loads:
            vaddr = load.paddr if load.vaddr is None else load.vaddr
            filesz = len(load.data) if load.filesz is None else load.filesz
            memsz = len(load.data) if load.memsz is None else load.memsz
            programs += struct.pack(
                order + "IIQQQQQQ", PT_LOAD, 7, header + len(body), vaddr, load.paddr,
                filesz, memsz, 0x1000,
            )  # fmt: skip
            body += load.data
        sections, tables = [], b""
        if not self.stripped:
            sections, tables = self._sections(order, header + len(body))
        at = header + len(body) + len(tables)
        ident = b"\x7fELF\2" + (b"\1" if self.little else b"\2") + b"\1" + bytes(9)
        elf = ident + struct.pack(
            order + "HHIQQQIHHHHHH", self.type, self.machine, 1, self.entry, 64, at,
            self.flags, 64, self.phentsize, len(self.loads), 64, len(sections),
            max(0, len(sections) - 1),
        )  # fmt: skip
        return elf + programs + body + tables + b"".join(sections)

    def _sections(self, order: str, start: int) -> tuple[list[bytes], bytes]:
        names, symbols, tables = b"\0", bytes(24), b""
        for name, address, size, kind, section in self.symbols:
            symbols += struct.pack(order + "IBBHQQ", len(names), kind, 0, section, address, size)
            names += name.encode() + b"\0"
        rows = [(0, 0, 0, b"", 0)]
        if self.opd is not None:
            rows.append((1, SHT_PROGBITS, self.opd[0], self.opd[1], 0))
        rows.append((6, SHT_SYMTAB, 0, symbols, len(rows) + 1))
        rows.append((6, SHT_STRTAB, 0, names, 0))
        rows.append((6, SHT_STRTAB, 0, b"\0.opd\0x\0", 0))
        headers = []
        for name, kind, address, content, link in rows:
            headers.append(
                struct.pack(
                    order + "IIQQQQIIQQ", name, kind, 0, address, start + len(tables),
                    len(content), link, 0, 0, 0,
                )
            )  # fmt: skip
            tables += content
        return headers, tables


def mutants(originals: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Yield damaged files: bytes and words changed, mostly in headers, and files cut short."""
    generator = random.Random(seed)
    edges = (0, 1, 2, 0x7F, 0x80, 0xFF)
    for _ in range(count):
        mutant = bytearray(generator.choice(originals))
        tail = max(0, len(mutant) - 640)
        for _ in range(generator.randint(1, 5)):
            region = generator.choice(((0, 64), (0, 240), (tail, len(mutant)), (0, len(mutant))))
            at = generator.randrange(*region)
            value = generator.choice((*edges, generator.randrange(256)))
            width = generator.choice((1, 1, 2, 4, 8))
            mutant[at : at + width] = bytes([value]) * width
        if generator.random() < 0.1:
            del mutant[generator.randrange(len(mutant)) :]
        yield bytes(mutant)
