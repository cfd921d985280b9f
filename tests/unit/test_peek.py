"""Looking up an effective address from outside: where loads lead, and nothing changed by it."""

import pytest

from papvmm.isa.msr import MSR_DR, MSR_IR
from papvmm.isa.state import LPCR, LPCR_HR, LPCR_UPRT, MSR, PID, PROCESS_TABLE, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.peek import peek
from papvmm.mmu.survey import kernel_mappings
from tests import hash_pages
from tests.page_tables import EXECUTE, PRIVILEGED, READ, Tree

KERNEL = 0xC000_0000_0000_0000
EA, VSID = 0x3_4567_8000, 0xABC


def with_trees():
    """A vcpu, its memory, the tree of its process and that of process 0."""
    state, memory = ArchState(), GuestMemory(1 << 20)
    tree = Tree(memory, pid=1)
    kernel = Tree(memory, pid=0, root=0x30000, free=0x40000)
    for cell, value in (
        (LPCR, LPCR_HR | LPCR_UPRT), (PROCESS_TABLE, tree.process_table),
        (MSR, MSR_IR | MSR_DR), (PID, 1),
    ):  # fmt: skip
        state.write(cell, value)
    return state, memory, tree, kernel


def test_real_mode_ignores_the_first_four_bits():
    assert peek(ArchState(), GuestMemory(4096), HashTable(), KERNEL + 0x123) == 0x123


@pytest.mark.parametrize("shift", [12, 16, 21, 30])
def test_a_tree_leads_where_it_says_whatever_a_page_allows(shift):
    state, memory, tree, kernel = with_trees()
    tree.map(5 << 30, 7 << 30, shift, EXECUTE | PRIVILEGED)
    kernel.map(0x2000, 0x5000, 12, READ)
    before = memory.ram.tobytes()

    found = [peek(state, memory, HashTable(), ea) for ea in (
        (5 << 30) + 0xABC, KERNEL + 0x2008, 0x2008, 1 << 62,
    )]  # fmt: skip

    assert found == [(7 << 30) + 0xABC, 0x5008, None, None]
    assert memory.ram.tobytes() == before


@pytest.mark.parametrize(("base", "actual"), [(12, 12), (12, 16), (16, 16), (16, 24), (24, 24)])
def test_a_hashed_table_leads_where_it_says_whatever_a_page_allows(base, actual):
    guest = hash_pages.Guest(ArchState(), HashTable(18))
    guest.state.write(MSR, MSR_IR | MSR_DR)
    ea = EA >> base << base
    guest.segment(ea, VSID, base=base, flags=hash_pages.KS | hash_pages.KP)
    slot = guest.map(VSID, ea, 3 << 24, base=base, actual=actual, low=0)
    before = guest.table.entry(slot)

    found = [peek(guest.state, GuestMemory(4096), guest.table, ea + offset) for offset in (
        0xABC, -1, 1 << 28,
    )]  # fmt: skip

    assert found == [3 << 24 | ea % (1 << actual) + 0xABC, None, None]
    assert guest.table.entry(slot) == before


def test_all_that_the_kernel_maps_is_found_in_as_few_pieces_as_there_are():
    _, memory, tree, kernel = with_trees()
    for page in range(4):
        kernel.map(0x7000 + 0x1000 * page, 0x5000 + 0x1000 * page, 12, READ)
    kernel.map(0xB000, 0x2000, 12, READ)
    kernel.map(1 << 40, 0x80000, 16, EXECUTE)
    kernel.map(2 << 40, 1 << 30, 30, EXECUTE)
    tree.map(0x3000, 0x3000, 12, READ)
    before = memory.ram.tobytes()

    found = mapped(memory, tree.process_table)

    assert found == [
        (KERNEL + 0x7000, 0x5000, 0x4000),
        (KERNEL + 0xB000, 0x2000, 0x1000),
        (KERNEL + (1 << 40), 0x80000, 0x10000),
    ]
    assert memory.ram.tobytes() == before


@pytest.mark.parametrize("process_table", [0, 0x3000, 0xFFFFF000, (1 << 60) - 1])
def test_a_damaged_tree_maps_nothing(process_table):
    memory = GuestMemory(1 << 16)
    memory.store_be(0x3000, 8, (1 << 64) - 1)

    assert mapped(memory, process_table) == []


def mapped(memory, process_table):
    return [one for one in kernel_mappings(memory, process_table) if one is not None]
