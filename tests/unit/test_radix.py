"""Radix translation: real addresses, interrupts, reference and change bits."""

import pytest

from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_PR
from papvmm.isa.state import AMR, IAMR, LPCR, LPCR_HR, LPCR_UPRT, MSR, PID, PROCESS_TABLE, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables
from papvmm.mmu.translate import Access
from tests.page_tables import EXECUTE, PRIVILEGED, READ, READ_WRITE, TREE, Tree
from tests.translations import Translating

KERNEL = 0xC000_0000_0000_0000
ALL = READ | READ_WRITE | EXECUTE
K4, K64, M2, G1 = 12, 16, 21, 30
LOAD, STORE, FETCH = Access.LOAD, Access.STORE, Access.FETCH


class Translated(Translating):
    """A vcpu's MMU and a process's tree."""

    def __init__(self, pid=1):
        self.memory = GuestMemory(1 << 20)
        self.tree = Tree(self.memory, pid=pid)
        self.kernel = Tree(self.memory, pid=0, root=0x30000, free=0x40000)
        self.state = ArchState()
        self.state.write(LPCR, LPCR_HR | LPCR_UPRT)
        self.state.write(PROCESS_TABLE, self.tree.process_table)
        self.state.write(MSR, MSR_IR | MSR_DR)
        self.state.write(PID, pid)
        self.tables = Tables(self.memory, HashTable())
        self.mmu = Mmu(self.state, self.tables)
        self.map = self.tree.map


@pytest.mark.parametrize("shift", [K4, K64, M2, G1])
def test_a_page_of_any_size_leads_to_its_real_address(shift):
    vcpu = Translated()
    vcpu.map(5 << 30, 7 << 30, shift, ALL)

    assert vcpu.real((5 << 30) + 0xABC) == (7 << 30) + 0xABC
    assert vcpu.real((5 << 30) + (1 << shift) - 1) == (7 << 30) + (1 << shift) - 1


def test_quadrant_3_is_process_0s_for_every_process():
    vcpu = Translated(pid=7)
    vcpu.kernel.map(0x2000, 0x5000, K4, ALL)

    assert vcpu.real(KERNEL + 0x2008) == 0x5008
    assert vcpu.causes(0x2008) == 0x4000_0000


@pytest.mark.parametrize("access", [LOAD, STORE])
@pytest.mark.parametrize(
    "ea", [1 << 62, 2 << 62, 1 << 52, KERNEL | 1 << 52, (1 << 62) - 1, 0xFFFF_FFFF_FFFF_FFFC]
)
def test_an_address_between_the_quadrants_is_in_no_segment(ea, access):
    vcpu = Translated()

    assert vcpu.interrupt(ea, access) == (Interrupt.DATA_SEGMENT, None)
    assert vcpu.interrupt(ea, FETCH)[0] is Interrupt.INSTRUCTION_SEGMENT


def test_an_address_without_a_leaf_is_not_found():
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)

    assert vcpu.interrupt(0x3000) == (Interrupt.DATA_STORAGE, 0x4000_0000)
    assert vcpu.interrupt(0x3000, STORE) == (Interrupt.DATA_STORAGE, 0x4200_0000)
    assert vcpu.interrupt(0x3000, FETCH) == (Interrupt.INSTRUCTION_STORAGE, 0x4000_0000)


@pytest.mark.parametrize(
    ("authority", "problem_state", "allowed"),
    [
        (READ, True, (LOAD,)),
        (READ_WRITE, True, (LOAD, STORE)),
        (EXECUTE, True, (FETCH,)),
        (0, True, ()),
        (ALL | PRIVILEGED, True, ()),
        (ALL | PRIVILEGED, False, (LOAD, STORE, FETCH)),
        (ALL, False, (LOAD, STORE, FETCH)),
    ],
)
def test_the_leaf_says_what_may_be_done(authority, problem_state, allowed):
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, authority)
    vcpu.state.write(MSR, MSR_PR * problem_state)

    refusals = {LOAD: 0x0800_0000, STORE: 0x0A00_0000, FETCH: 0x1000_0000}
    for access, causes in refusals.items():
        if access in allowed:
            assert vcpu.real(0x2000, access) == 0x5000
        else:
            assert vcpu.causes(0x2000, access) == causes


def test_key_0_keeps_privileged_state_from_pages_that_are_not_its_own():
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.map(0x3000, 0x6000, K4, ALL | PRIVILEGED)

    vcpu.state.write(AMR, 1 << 63)
    assert vcpu.real(0x2000) == 0x5000
    assert vcpu.causes(0x2000, STORE) == 0x0220_0000
    vcpu.state.write(AMR, 1 << 62)
    assert vcpu.causes(0x2000) == 0x0020_0000
    assert vcpu.real(0x2000, STORE) == 0x5000
    vcpu.state.write(IAMR, 1 << 62)
    assert vcpu.causes(0x2000, FETCH) == 0x0020_0000
    assert vcpu.real(0x3000) == vcpu.real(0x3000, FETCH) == 0x6000
    vcpu.state.write(MSR, MSR_PR)
    assert vcpu.real(0x2000) == vcpu.real(0x2000, FETCH) == 0x5000


def test_guarded_storage_is_not_executed():
    vcpu = Translated()
    entry = vcpu.map(0x2000, 0x5000, K4, ALL | 0x20)
    vcpu.map(0x3000, 0x6000, K4, ALL | 0x30)

    assert vcpu.causes(0x2000, FETCH) == 0x1000_0000
    assert vcpu.memory.load_be(entry, 8) & 0x180 == 0
    assert vcpu.real(0x2000) == 0x5000
    assert vcpu.real(0x3000, FETCH) == 0x6000


def test_an_access_sets_the_reference_bit_and_a_store_the_change_bit():
    vcpu = Translated()
    entry = vcpu.map(0x2000, 0x5000, K4, ALL)
    bits = []

    for access in (LOAD, STORE):
        vcpu.real(0x2000, access)
        bits.append(vcpu.memory.load_be(entry, 8) & 0x180)
    vcpu.memory.store_be(entry, 8, vcpu.memory.load_be(entry, 8) & ~0x180)
    for access in (FETCH, STORE):
        vcpu.real(0x2000, access)
        bits.append(vcpu.memory.load_be(entry, 8) & 0x180)

    assert bits == [0x100, 0x180, 0x100, 0x180]


def test_an_access_that_is_refused_sets_no_bit():
    vcpu = Translated()
    entry = vcpu.map(0x2000, 0x5000, K4, READ)

    vcpu.causes(0x2000, STORE)

    assert vcpu.memory.load_be(entry, 8) & 0x180 == 0


def test_what_is_known_of_a_page_is_forgotten_when_its_entry_changes():
    vcpu = Translated()
    entry = vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.real(0x2000, STORE)

    vcpu.map(0x2000, 0x6000, K4, READ)
    assert vcpu.real(0x2000) == 0x6000
    assert vcpu.causes(0x2000, STORE) == 0x0A00_0000
    vcpu.memory.write(entry + 7, b"\x00")
    assert vcpu.causes(0x2000) == 0x0800_0000
    vcpu.memory.write(entry - 4, bytes(8))
    assert vcpu.causes(0x2000) == 0x4000_0000


def test_what_is_known_is_forgotten_when_a_directory_or_the_process_table_changes():
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.kernel.map(0x2000, 0x6000, K4, ALL)
    assert vcpu.real(0x2000) == 0x5000

    vcpu.memory.store_be(vcpu.tree.root, 8, vcpu.memory.load_be(vcpu.kernel.root, 8))
    assert vcpu.real(0x2000) == 0x6000
    vcpu.memory.store_be(vcpu.tree.process_entry, 8, 0)
    assert vcpu.causes(0x2000) == 0x0008_0000


def test_what_does_not_follow_from_a_directory_stays_known_when_that_changes():
    """Processes come and go all the time; the kernel's pages are to stay known."""
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.map(0x4000_0000, 0x7000, K4, ALL)
    vcpu.kernel.map(0x2000, 0x6000, K4, ALL)
    forgotten = []
    vcpu.tables.radix.on_forget.append(lambda space, number: forgotten.append((space, number)))
    for ea in (0x2000, 0x4000_0000, KERNEL | 0x2000):
        vcpu.real(ea)

    vcpu.memory.store_be(list(vcpu.tree.tables)[1], 8, 0)

    assert [number for _, number in forgotten] == [2]
    assert vcpu.causes(0x2000) == 0x4000_0000
    assert (vcpu.real(0x4000_0000), vcpu.real(KERNEL | 0x2000)) == (0x7000, 0x6000)


def test_a_tree_that_two_processes_share_is_looked_at_for_each():
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    second = vcpu.tree.process_entry + 16
    vcpu.memory.store_be(second, 8, vcpu.memory.load_be(vcpu.tree.process_entry, 8))
    assert vcpu.real(0x2000) == 0x5000
    vcpu.state.write(PID, 2)
    assert vcpu.real(0x2000) == 0x5000

    vcpu.memory.store_be(second, 8, 0)

    assert vcpu.causes(0x2000) == 0x0008_0000
    vcpu.state.write(PID, 1)
    assert vcpu.real(0x2000) == 0x5000


@pytest.mark.parametrize(
    "root", [0x2000_0000_0000_00AD, TREE & ~0x1F | 12, TREE & ~0x1F | 9, TREE & ~0xE0 | 0xED]
)
def test_a_tree_that_power9_does_not_know_is_refused(root):
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.memory.store_be(vcpu.tree.process_entry, 8, root | vcpu.tree.root)

    assert vcpu.causes(0x2000) == 0x0008_0000
    assert vcpu.causes(0x2000, FETCH) == 0x0008_0000


def test_a_leaf_in_the_root_and_a_tree_without_one_are_refused():
    vcpu = Translated()
    for gpa, entry in ((vcpu.tree.root, 3 << 62 | ALL), (vcpu.tree.root + 8, 1 << 63 | 0x50009)):
        vcpu.memory.store_be(gpa, 8, entry)
    for gpa in range(0x50000, 0x51000, 8):
        vcpu.memory.store_be(gpa, 8, 1 << 63 | 0x50009)

    assert vcpu.causes(0x2000) == 0x0008_0000
    assert vcpu.causes(1 << 39) == 0x0008_0000


def test_a_process_beyond_the_table_has_no_translation():
    vcpu = Translated(pid=255)
    vcpu.map(0x2000, 0x5000, K4, ALL)
    assert vcpu.real(0x2000) == 0x5000

    vcpu.state.write(PID, 256)
    assert vcpu.causes(0x2000) == 0x4000_0000


def test_tables_outside_ram_are_an_interrupt():
    vcpu = Translated()
    vcpu.memory.store_be(vcpu.tree.root, 8, 1 << 63 | 0x7000_0000 | 9)
    assert vcpu.causes(0x2000, STORE) == 0x0202_0000
    vcpu.state.write(PROCESS_TABLE, 0x7000_0000)
    assert vcpu.causes(0x2000, FETCH) == 0x0002_0000


def test_without_a_process_table_trees_are_not_looked_at():
    vcpu = Translated()
    vcpu.map(0x2000, 0x5000, K4, ALL)
    vcpu.state.write(LPCR, 0)

    assert vcpu.interrupt(0x2000) == (Interrupt.DATA_SEGMENT, None)
    assert vcpu.interrupt(0x2000, FETCH)[0] is Interrupt.INSTRUCTION_SEGMENT
