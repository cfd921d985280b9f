"""ELF images: what is loaded where, where they are entered, and which are refused."""

import pytest

from papvmm.boot.elf import load_elf
from papvmm.errors import BadInput
from tests.elves import ET_DYN, Elf, Load

FUNC, OBJECT, FILE = 2, 1, 4
UNDEFINED, ABSOLUTE = 0, 0xFFF1
NOP = b"\x60\0\0\0"
LINUX = 0xC000_0000_0000_0000


def test_an_executable_with_equal_addresses_is_loaded_there_and_entered_at_its_entry():
    image = load_elf("x", Elf([Load(0x10000, NOP * 4, memsz=64)], entry=0x10008).build())

    segment = image.segments[0]
    assert (segment.gpa, bytes(segment.data), segment.size) == (0x10000, NOP * 4, 64)
    assert (image.entry, image.base, image.end) == (0x10008, 0x10000, 0x10040)


def test_a_position_independent_image_is_loaded_at_the_kernel_address():
    """kvm-unit-tests: ET_DYN, linked at 0, entered at its first byte."""
    image = load_elf("x", Elf([Load(0), Load(0x20000)], entry=0, type=ET_DYN).build(), 0x400000)

    assert [segment.gpa for segment in image.segments] == [0x400000, 0x420000]
    assert (image.entry, image.base) == (0x400000, 0x400000)


def test_a_kernel_linked_high_is_loaded_at_the_kernel_address_plus_its_physical_address():
    """vmlinux: p_paddr 0, p_vaddr and e_entry 0xc000000000000000."""
    elf = Elf([Load(0x1000, vaddr=LINUX + 0x1000)], entry=LINUX + 0x1004)

    image = load_elf("vmlinux", elf.build(), 0x800000)

    assert (image.entry, image.base) == (0x801004, 0x801000)


@pytest.mark.parametrize(
    ("little", "flags", "abi"),
    [(False, 2, 2), (True, 2, 2), (False, 1, 1), (False, 0, 1), (True, 0, 2)],
)
def test_byte_order_and_abi_come_from_the_header(little, flags, abi):
    image = load_elf("x", Elf(little=little, flags=flags).build())

    assert (image.little_endian, image.abi) == (little, abi)


def descriptor(*words: int) -> bytes:
    return b"".join(word.to_bytes(8, "big") for word in words)


def elfv1(entry: int) -> Elf:
    """Code at 0x10000 and a function descriptor of its third instruction at 0x10040."""
    opd = descriptor(0x10008, 0x18000, 0)
    return Elf(
        [Load(0x10000, NOP * 16 + opd)],
        entry=entry,
        flags=1,
        opd=(0x10040, opd),
        symbols=[("start", 0x10040, 24, FUNC, 1)],
    )


@pytest.mark.parametrize(("entry", "code"), [(0x10040, 0x10008), (0x10004, 0x10004)])
def test_the_entry_of_elfv1_is_a_descriptor_or_code(entry, code):
    image = load_elf("x", elfv1(entry).build())

    assert image.entry == code


def test_a_function_of_elfv1_is_found_at_its_code():
    image = load_elf("x", elfv1(0x10040).build())

    assert (image.find("start"), image.locate(0x1000C)) == (0x10008, ("start", 4))


def symbols() -> Elf:
    return Elf(
        [Load(0, NOP * 64), Load(0x1000)],
        entry=0,
        type=ET_DYN,
        symbols=[
            ("late", 0x20, 0x10, FUNC, 1),
            ("early", 0, 0x10, FUNC, 1),
            ("label", 0x40, 0, 0, 1),
            ("table", 0x1000, 16, OBJECT, 1),
            ("end", 0x1010, 0, OBJECT, 1),
            ("file.c", 0x24, 0, FILE, 1),
            ("elsewhere", 0x28, 0, FUNC, UNDEFINED),
            ("constant", 0x2C, 0, 0, ABSOLUTE),
        ],
    )


@pytest.mark.parametrize("little", [False, True])
def test_symbols_are_found_where_they_were_loaded(little):
    elf = symbols()
    elf.little = little

    image = load_elf("x", elf.build(), 0x400000)

    names = ("early", "late", "table", "end", "file.c", "elsewhere", "constant", "none")
    assert [image.find(name) for name in names] == [0x400000, 0x400020, 0x401000, *[None] * 5]


@pytest.mark.parametrize(
    ("gpa", "place"),
    [
        (0x400000, ("early", 0)),
        (0x40000F, ("early", 15)),
        (0x400010, None),
        (0x40002C, ("late", 12)),
        (0x400048, ("label", 8)),
        (0x401008, ("table", 8)),
        (0x400100, None),
        (0x401010, None),
        (0x3FFFFF, None),
        (0x402000, None),
    ],
)
def test_an_address_is_named_by_the_symbol_that_covers_it(gpa, place):
    image = load_elf("x", symbols().build(), 0x400000)

    assert image.locate(gpa) == place


def test_only_elfv1_has_function_descriptors():
    elf = elfv1(0x10040)
    elf.flags = 2

    image = load_elf("x", elf.build())

    assert (image.entry, image.find("start")) == (0x10040, 0x10040)


@pytest.mark.parametrize(("entry", "code"), [(0x10054, 0x10054), (0x10050, 0x10000)])
def test_what_is_too_short_for_a_descriptor_is_code(entry, code):
    elf = elfv1(entry)
    words = descriptor(0, 0, 0x10000)
    elf.loads, elf.opd = [Load(0x10000, NOP * 16 + words)], (0x10040, words)

    image = load_elf("x", elf.build())

    assert image.entry == code


def test_a_stripped_image_is_loaded_to_the_last_byte_of_its_file():
    blob = Elf([Load(0x10000), Load(0x10010, b"last")], stripped=True).build()

    image = load_elf("x", blob)

    assert [bytes(segment.data) for segment in image.segments] == [NOP * 4, b"last"]
    assert (image.find("early"), blob[-4:]) == (None, b"last")


def test_an_image_with_a_damaged_section_table_has_no_symbols():
    blob = bytearray(symbols().build())
    blob[40:48] = b"\x7f" * 8

    image = load_elf("x", bytes(blob))

    assert (image.find("early"), image.locate(0x400000)) == (None, None)


@pytest.mark.parametrize(
    ("blob", "why"),
    [
        (b"", "is not an ELF file"),
        (b"\x1f\x8b" + bytes(100), "is not an ELF file"),
        (b"\x7fELF", "has a damaged ELF header"),
        (Elf().build()[:40], "has a damaged ELF header"),
        (Elf(machine=62, little=True).build(), r"for .*X86-64 .*\(e_machine 62\);.*ppc64 \(21\)"),
        (Elf(machine=20).build(), r"\(e_machine 20\)"),
        (Elf(type=1).build(), "type ET_REL; papvmm runs ET_EXEC and ET_DYN"),
        (Elf(flags=3).build(), "ABI version 3"),
        (Elf(phentsize=32).build(), "has a damaged program header table"),
        (Elf(stripped=True).build()[:100], "has a damaged program header table"),
        (Elf([]).build(), "has nothing to load"),
        (Elf([Load(0x10000, b"", memsz=0)]).build(), "has nothing to load"),
        (Elf([Load(0x10000, filesz=9999, memsz=9999)]).build(), "is cut short: .* byte 10119"),
        (Elf([Load(0x10000, memsz=8)]).build(), "segment of 8 bytes with 16 bytes"),
        (Elf([Load(0x10000), Load(0x10008)]).build(), "segments that overlap at 0x10008"),
        (Elf(entry=0x20000).build(), "is entered at 0x20000, where it has no code"),
        (Elf(entry=0x10010).build(), "is entered at 0x10010, where it has no code"),
        (Elf(entry=0x10002).build(), "is entered at 0x10002, where it has no code"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_line(blob, why):
    with pytest.raises(BadInput, match=f"^guest.elf .*{why}") as refusal:
        load_elf("guest.elf", blob)

    assert "\n" not in str(refusal.value)
