"""Code that runs with translation on, by page tables, on every engine."""

import pytest

from papvmm.engine.code_marks import CODE_REGION
from papvmm.engine.exits import Breakpoint, BudgetSpent, PaprHcall
from papvmm.isa.encode import assemble
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_PR
from papvmm.isa.state import CIA, DAR, DSISR, LPCR, LPCR_GTSE, MSR, SRR0, SRR1
from papvmm.memory.guest_memory import CODE_LINE
from tests import programs
from tests.page_tables import ALL, EXECUTE, READ, ROOM, TABLES, VALID, room, switch_on
from tests.programs import CODE, DATA, REGIONS, Program, image

pytestmark = pytest.mark.usefixtures("every_engine")

LOOP = "li 9,100; mtctr 9; {}; bdnz -{}; sc 1"


def translated(text, **registers):
    """Return a program whose code is at 0x9000, known as CODE, and its tree."""
    program = Program(text, ram=room(), **registers)
    program.memory.write(0x9000, program.memory.read(CODE, 0x1000))
    program.memory.write(CODE, bytes(0x1000))
    program.trees = switch_on(program)
    program.map = program.trees[0].map
    program.map(CODE, 0x9000, 12, ALL)
    return program


def test_loads_and_stores_go_where_the_page_table_leads():
    copy = "; ".join(["lwz 4,0(3); stw 4,0(5); addi 3,3,4; addi 5,5,4"] * 40)
    program = translated(f"{copy}; sc 1", r3=DATA, r5=DATA + 0x1000)
    program.map(DATA, 0xB000, 12, READ)
    program.map(DATA + 0x1000, 0xA000, 12, ALL)
    program.memory.write(0xB000, bytes(range(160)))

    assert program.run(1000) == PaprHcall()
    assert program.memory.read(0xA000, 160) == bytes(range(160))


def test_an_access_across_pages_that_are_apart():
    program = translated(LOOP.format("ldx 4,0,3; addi 4,4,1; stdx 4,0,3", 12), r3=DATA + 0xFFD)
    program.map(DATA, 0xB000, 12, ALL)
    program.map(DATA + 0x1000, 0xA000, 12, ALL)

    assert program.run(1000) == PaprHcall()
    assert program.memory.read(0xBFFD, 3) + program.memory.read(0xA000, 5) == (100).to_bytes(8)


def test_code_goes_on_in_the_next_page_wherever_that_is():
    program = translated("nop")
    program.memory.write(0x9FF8, image("addi 3,3,1; addi 3,3,1"))
    program.memory.write(0xD000, image("bdnz -8; sc 1"))
    program.map(CODE + 0x1000, 0xD000, 12, ALL)
    program.state.write(SRR1, program.state.read(MSR))
    program.state.write(SRR0, CODE + 0xFF8)
    program.memory.write(0x9000, image("li 9,90; mtctr 9; rfid"))

    assert program.run(1000) == PaprHcall()
    assert (program.gpr(3), program.cia) == (180, CODE + 0x1008)


def test_code_that_is_changed_through_another_address_is_not_stale():
    text = "cmpdi 9,50; bne 8; stw 5,0(6); addi 3,3,1; addi 9,9,1; cmpdi 9,100; bne -24; sc 1"
    program = translated(text, r5=assemble("addi 3,3,16"), r6=DATA + 12)
    program.map(DATA, 0x9000, 12, ALL)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 50 + 16 * 50


def test_a_page_that_moves_is_another_one_at_once():
    """The guest changes its page table entry, which is itself mapped, in the middle of a loop."""
    text = "cmpdi 9,50; bne 8; std 5,0(6); ld 4,0(7); add 3,3,4; addi 9,9,1; cmpdi 9,100; bne -28; sc 1"  # noqa: E501
    program = translated(text, r7=DATA)
    entry = program.map(DATA, 0xB000, 12, READ)
    program.map(0x5000, entry & -4096, 12, ALL)
    program.set("r6", 0x5000 + entry % 4096)
    program.set("r5", program.memory.load_be(entry, 8) & ~0xF000 | 0xC000)
    program.memory.store_be(0xB000, 8, 1)
    program.memory.store_be(0xC000, 8, 1000)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 50 + 50 * 1000


def test_code_whose_page_moves_is_other_code():
    text = "cmpdi 9,50; bne 8; std 5,0(6); addi 3,3,1; addi 9,9,1; cmpdi 9,100; bne -24; sc 1"
    program = translated(text)
    entry = program.map(CODE, 0x9000, 12, ALL)
    program.map(0x5000, entry & -4096, 12, ALL)
    program.set("r6", 0x5000 + entry % 4096)
    program.set("r5", program.memory.load_be(entry, 8) & ~0xF000 | 0xA000)
    program.memory.write(0xA000, program.memory.read(0x9000, 0x1000))
    program.memory.write(0xA00C, image("addi 3,3,16"))

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 50 + 16 * 50


def test_a_loop_sets_the_change_bit_again_each_time_it_is_cleared():
    program = translated(LOOP.format("stw 4,0(7); ld 8,0(6); add 3,3,8; std 5,0(6)", 16), r7=DATA)
    entry = program.map(DATA, 0xB000, 12, ALL)
    program.map(0x5000, entry & -4096, 12, ALL)
    program.set("r6", 0x5000 + entry % 4096)
    clean = program.memory.load_be(entry, 8)
    program.set("r5", clean)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 100 * (clean | 0x180) % (1 << 64)


def test_each_process_has_its_own_pages():
    text = "mtspr 48,10; ld 4,0(7); add 3,3,4; xori 10,10,1; bdnz -16; sc 1"
    program = translated(text, r7=DATA, ctr=100, r10=1)
    program.trees[1].map(CODE, 0x9000, 12, ALL)
    for pid, place, value in ((0, 0xB000, 1), (1, 0xC000, 1000)):
        program.trees[pid].map(DATA, place, 12, ALL)
        program.memory.store_be(place, 8, value)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(3) == 50 + 50 * 1000


def test_the_kernel_opens_and_closes_user_pages_by_amr():
    """What Linux does around each access to user memory; the last one finds it closed."""
    text = "mtspr 29,10; ld 4,0(7); addi 4,4,1; std 4,0(7); mtspr 29,11; bdnz -20; ld 4,0(7)"
    program = translated(text, r7=DATA, ctr=100, r10=0, r11=0xC000_0000_0000_0000)
    program.map(DATA, 0xB000, 12, ALL)
    program.map(CODE, 0x9000, 12, EXECUTE)
    program.processor.breakpoints.add(0x300)

    assert program.run(1000) == Breakpoint(0x300)
    assert program.memory.load_be(0xB000, 8) == 100
    assert (program.state.read(DAR), program.state.read(DSISR)) == (DATA, 0x0020_0000)
    assert program.state.read(SRR0) == CODE + 24


def test_a_program_is_kept_out_of_its_kernels_pages():
    program = translated(LOOP.format("lwz 4,0(7)", 4), r7=DATA, msr=MSR_PR)
    program.map(DATA, 0xB000, 12, ALL | 8)
    program.processor.breakpoints.add(0x300)

    assert program.run(1000) == Breakpoint(0x300)
    assert (program.state.read(DAR), program.state.read(DSISR)) == (DATA, 0x0800_0000)


def test_a_fetch_from_nowhere_is_an_instruction_storage_interrupt():
    program = translated("b 0x3000")
    program.processor.breakpoints.add(0x400)

    assert program.run(1000) == Breakpoint(0x400)
    assert program.state.read(SRR0) == CODE + 0x3000
    assert program.state.read(SRR1) & 0x783F_0000 == 0x4000_0000


@pytest.mark.parametrize(
    ("branch", "vector"), [("lbz 3,-4(0)", 0x380), ("li 3,-4; mtctr 3; bctr", 0x480)]
)
def test_addresses_beyond_the_quadrants_are_segment_interrupts(branch, vector):
    program = translated(branch)
    program.state.write(DSISR, 0x1234)
    program.processor.breakpoints.add(vector)

    assert program.run(1000) == Breakpoint(vector)
    assert program.state.read(DSISR) == 0x1234
    address = DAR if vector == 0x380 else SRR0
    assert program.state.read(address) == 0xFFFF_FFFF_FFFF_FFFC


@pytest.mark.parametrize("page", [ROOM, 0x4000_0000])
def test_a_page_outside_ram_is_a_machine_check(page):
    program = translated("lwz 4,0(7)", r7=DATA)
    program.map(DATA, page, 12, ALL)
    program.processor.breakpoints.add(0x200)

    assert program.run(10) == Breakpoint(0x200)
    assert program.state.read(DAR) == DATA


def test_a_breakpoint_is_at_an_effective_address():
    program = translated(LOOP.format("addi 3,3,1; addi 4,4,1", 8))
    program.run(100)

    program.processor.breakpoints.update((0x900C, CODE + 12))

    assert program.run(1000) == Breakpoint(CODE + 12)
    count = program.gpr(3)
    assert program.run(1000) == Breakpoint(CODE + 12)
    assert program.gpr(3) == count + 1


@pytest.mark.parametrize("kind", [MSR_IR, MSR_DR])
def test_code_and_data_are_translated_apart(kind):
    program = translated(LOOP.format("lwz 4,0(7); addi 3,3,1", 8), r7=DATA)
    program.map(DATA, 0xB000, 12, READ)
    program.memory.write(CODE, program.memory.read(0x9000, 64))
    program.memory.write(DATA, b"real")
    program.memory.write(0xB000, b"else")
    state = program.state
    state.write(MSR, state.read(MSR) & ~(MSR_IR | MSR_DR) | kind)

    assert program.run(1000) == PaprHcall()
    assert program.gpr(4).to_bytes(4) == (b"else" if kind == MSR_DR else b"real")


def test_a_directory_that_is_cleared_takes_all_its_pages_away():
    text = "ld 4,0(7); addi 9,9,1; cmpdi 9,50; bne -12; std 10,0(6); b -20"
    program = translated(text, r7=0x20_0000, r10=0)
    program.map(0x20_0000, 0xB000, 12, READ)
    program.map(0x5000, TABLES + 0x2000, 12, ALL)
    directory = next(at for at, table in program.trees[0].tables.items() if at % 4096 == 8)
    program.map(0x6000, directory & -4096, 12, ALL)
    program.set("r6", 0x6000 + directory % 4096)
    program.processor.breakpoints.add(0x300)

    assert program.run(1000) == Breakpoint(0x300)
    assert program.gpr(9) == 50
    assert program.memory.load_be(directory, 8) & VALID == 0


def test_tlbie_between_two_accesses_changes_nothing_that_is_mapped():
    program = translated(
        LOOP.format("ld 4,0(7); tlbie 3,4,2,1,1; ptesync; addi 5,5,1", 16), r7=DATA
    )
    program.map(DATA, 0xB000, 12, READ)

    assert program.state.read(LPCR) & LPCR_GTSE
    assert program.run(1000) == PaprHcall()
    assert program.gpr(5) == 100


HIGH = 0xC000_0000_0000_0000
"""The first four bits of an address don't count in real mode (Power ISA v3.0B, III, 5.7.3)."""


def test_real_mode_code_runs_at_the_addresses_it_is_called_by():
    hot = "li 10,200; mtctr 10; bl 4; mflr 11; bdnz -8"
    again = "cmpdi 7,0; bne 20; mr 3,11; li 7,1; mtctr 9; bctr; mr 4,11; sc 1"
    program = Program(f"{hot}; {again}", r9=HIGH + CODE)

    assert program.run(2000) == PaprHcall()
    assert (program.gpr(3), program.gpr(4)) == (CODE + 12, HIGH + CODE + 12)
    assert program.cia == HIGH + CODE + 52


def test_a_hot_loop_becomes_a_region_with_translation_on():
    program = translated("addi 3,3,1; b -4")
    program.run(5000)

    has_region = bool(program.memory.code[0x9000 // CODE_LINE] & CODE_REGION)

    assert has_region == (programs.default_heat is REGIONS)
    assert program.gpr(3) == 2500


def test_code_is_the_same_at_every_address_it_is_mapped_at():
    """The return address tells where it runs, whichever address it was compiled for."""
    program = translated("bl 4; mflr 4; addi 3,3,1; b -12")
    program.map(CODE + 0x10_0000, 0x9000, 12, ALL)
    program.run(5000)

    program.state.write(CIA, CODE + 0x10_0000)

    assert program.run(5002) == BudgetSpent()
    assert program.gpr(4) == CODE + 0x10_0004


def test_hot_code_goes_on_wherever_its_next_page_is_by_now():
    """A loop over two pages, the second of which is moved by a store to its entry."""
    text = "; ".join(["nop"] * 1020) + "; cmpdi 9,50; bne 8; std 5,0(6); addi 3,3,1"
    program = translated(text)
    rest = "addi 9,9,1; cmpdi 9,100; bne -4104; sc 1"
    program.memory.write(0xA000, image(f"addi 3,3,1; {rest}"))
    program.memory.write(0xD000, image(f"addi 3,3,16; {rest}"))
    entry = program.map(CODE + 0x1000, 0xA000, 12, ALL)
    program.map(0x5000, entry & -4096, 12, ALL)
    program.set("r6", 0x5000 + entry % 4096)
    program.set("r5", program.memory.load_be(entry, 8) & ~0xF000 | 0xD000)

    assert program.run(1 << 20) == PaprHcall()
    assert program.gpr(3) == 100 + 50 + 16 * 50
