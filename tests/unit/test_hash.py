"""Hashed page tables: real addresses, interrupts, reference and change bits."""

import pytest

from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_PR
from papvmm.isa.state import AMR, IAMR, MSR, SLB_ESID, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable, table_shift
from papvmm.mmu.mmu import Mmu, Tables
from papvmm.mmu.translate import Access, StorageInterrupt
from tests import hash_pages
from tests.hash_pages import CHANGED, GUARDED, KP, KS, LARGE_1T, NO_EXECUTE, PP0, REFERENCED, M, N
from tests.translations import Translating

EA, VSID, RA = 0x3_4567_8000, 0xABC, 0x12000
LOAD, STORE, FETCH = Access.LOAD, Access.STORE, Access.FETCH
SIZES = [(12, 12), (12, 16), (12, 24), (16, 16), (16, 24), (24, 24)]


class Translated(Translating, hash_pages.Guest):
    """A vcpu's MMU."""

    def __init__(self, shift=18):
        super().__init__(ArchState(), HashTable(shift))
        self.memory = GuestMemory(1 << 20)
        self.state.write(MSR, MSR_IR | MSR_DR)
        self.tables = Tables(self.memory, self.table)
        self.mmu = Mmu(self.state, self.tables)

    def flags(self, slot):
        return self.table.entry(slot)[1] & (REFERENCED | CHANGED)


def mapped(*, flags=0, **how):
    """A vcpu with one page, and its slot."""
    vcpu = Translated()
    vcpu.segment(EA, VSID, flags=flags)
    return vcpu, vcpu.map(VSID, EA, RA, **how)


@pytest.mark.parametrize("size", [hash_pages.SMALL_256M, LARGE_1T])
@pytest.mark.parametrize(("base", "actual"), SIZES)
@pytest.mark.parametrize("secondary", [False, True])
def test_a_page_of_any_size_in_any_segment_leads_to_its_real_address(size, base, actual, secondary):
    vcpu = Translated()
    ea = EA >> base << base
    vcpu.segment(ea, VSID, base=base, size=size)
    vcpu.map(VSID, ea, 3 << 24, base=base, actual=actual, size=size, secondary=secondary)

    within = (1 << base) - 1
    expected = 3 << 24 | ea % (1 << actual)
    assert vcpu.real(ea + 0xABC) == expected + 0xABC
    assert vcpu.real(ea + within) == expected + within


def test_what_is_in_no_segment_is_a_segment_interrupt():
    vcpu, _ = mapped()

    assert vcpu.interrupt(EA + (1 << 28)) == (Interrupt.DATA_SEGMENT, None)
    assert vcpu.interrupt(EA - (1 << 28), FETCH)[0] is Interrupt.INSTRUCTION_SEGMENT


def test_what_has_no_entry_is_not_found():
    vcpu, _ = mapped()

    assert vcpu.causes(EA + 0x1000) == 0x4000_0000
    assert vcpu.causes(EA + 0x1000, STORE) == 0x4200_0000
    assert vcpu.causes(EA + 0x1000, FETCH) == 0x4000_0000
    assert vcpu.interrupt(EA + 0x1000, FETCH)[0] is Interrupt.INSTRUCTION_STORAGE


def test_an_entry_counts_only_in_a_group_of_its_hash():
    vcpu = Translated()
    vcpu.segment(EA, VSID)
    page = hash_pages.Page(VSID, EA, RA)
    vcpu.table.enter(8 * (page.group(vcpu.groups) ^ 1), page.v, page.r)

    assert vcpu.causes(EA) == 0x4000_0000


@pytest.mark.parametrize("other", [16, 24])
def test_a_page_of_another_base_size_is_not_found(other):
    vcpu = Translated()
    ea = EA >> 24 << 24
    vcpu.segment(ea, VSID, base=12)
    vcpu.map(VSID, ea, 0, base=other)

    assert vcpu.causes(ea) == 0x4000_0000


@pytest.mark.parametrize(
    ("key", "pp", "allowed"),
    [
        (0, 0, "lsf"), (0, 1, "lsf"), (0, 2, "lsf"), (0, 3, "lf"), (0, PP0 | 2, "lf"),
        (1, 0, ""), (1, 1, "lf"), (1, 2, "lsf"), (1, 3, "lf"), (1, PP0 | 2, ""),
        (0, PP0, ""), (0, PP0 | 1, ""), (0, PP0 | 3, ""), (1, PP0, ""), (1, PP0 | 1, ""),
    ],
)  # fmt: skip
@pytest.mark.parametrize("problem_state", [False, True])
def test_protection_is_by_the_segments_key_and_pp(key, pp, allowed, problem_state):
    mine, other = (KP, KS) if problem_state else (KS, KP)
    vcpu, _ = mapped(flags=mine if key else other, low=M | pp)
    vcpu.state.write(MSR, MSR_PR if problem_state else 0)

    for letter, access, causes in (
        ("l", LOAD, 0x0800_0000), ("s", STORE, 0x0A00_0000), ("f", FETCH, 0x0800_0000),
    ):  # fmt: skip
        if letter in allowed:
            assert vcpu.real(EA, access) == RA
        else:
            assert vcpu.causes(EA, access) == causes


@pytest.mark.parametrize("low", [NO_EXECUTE, GUARDED, NO_EXECUTE | GUARDED])
def test_a_page_that_is_no_execute_or_guarded_is_not_fetched_from(low):
    vcpu, _ = mapped(low=M | 2 | low)

    assert vcpu.causes(EA, FETCH) == 0x1000_0000
    assert vcpu.real(EA, STORE) == RA


def test_a_no_execute_segment_is_not_searched_for_fetches():
    vcpu, slot = mapped(flags=N)

    assert vcpu.causes(EA, FETCH) == 0x1000_0000
    assert vcpu.causes(EA + 0x1000, FETCH) == 0x1000_0000
    assert vcpu.flags(slot) == 0


@pytest.mark.parametrize("problem_state", [False, True])
@pytest.mark.parametrize("number", [0, 1, 5, 30, 31])
def test_virtual_page_class_keys_keep_out_in_every_state(number, problem_state):
    vcpu, _ = mapped(low=M | 2 | hash_pages.key(number))
    vcpu.state.write(MSR, MSR_PR if problem_state else 0)
    at = 62 - 2 * number

    assert (vcpu.real(EA), vcpu.real(EA, STORE), vcpu.real(EA, FETCH)) == (RA, RA, RA)
    vcpu.state.write(AMR, 1 << at)
    assert vcpu.causes(EA) == 0x0020_0000
    assert vcpu.real(EA, STORE) == RA
    vcpu.state.write(AMR, 2 << at)
    assert vcpu.causes(EA, STORE) == 0x0220_0000
    assert (vcpu.real(EA), vcpu.real(EA, FETCH)) == (RA, RA)
    vcpu.state.write(IAMR, 1 << at)
    assert vcpu.causes(EA, FETCH) == 0x0020_0000
    vcpu.state.write(AMR, ~(3 << at))
    vcpu.state.write(IAMR, ~(3 << at))
    assert (vcpu.real(EA), vcpu.real(EA, STORE), vcpu.real(EA, FETCH)) == (RA, RA, RA)


def test_a_store_that_pp_and_key_refuse_says_both():
    vcpu, _ = mapped(low=M | 3)
    vcpu.state.write(AMR, 2 << 62)

    assert vcpu.causes(EA, STORE) == 0x0A20_0000


def test_reference_and_change_are_set_by_what_is_allowed_and_at_once():
    vcpu, slot = mapped(low=M | 3)
    steps = [vcpu.flags(slot)]

    vcpu.causes(EA, STORE)
    steps.append(vcpu.flags(slot))
    vcpu.real(EA)
    steps.append(vcpu.flags(slot))
    v, r = vcpu.table.entry(slot)
    vcpu.table.change(slot, v, r & ~3 | 2)
    vcpu.real(EA, STORE)
    steps.append(vcpu.flags(slot))

    assert steps == [0, 0, REFERENCED, REFERENCED | CHANGED]


def test_bits_that_are_cleared_are_set_again():
    vcpu, slot = mapped()
    vcpu.real(EA, STORE)
    v, r = vcpu.table.entry(slot)

    vcpu.table.change(slot, v, r & ~(REFERENCED | CHANGED))
    vcpu.real(EA)
    assert vcpu.flags(slot) == REFERENCED
    vcpu.real(EA, STORE)
    assert vcpu.flags(slot) == REFERENCED | CHANGED


def test_an_entry_that_is_removed_or_changed_is_not_remembered():
    vcpu, slot = mapped()
    vcpu.real(EA, STORE)
    v, r = vcpu.table.entry(slot)

    vcpu.table.change(slot, v, r & ~3 | 3)
    assert vcpu.causes(EA, STORE) == 0x0A00_0000
    vcpu.table.remove(slot, v)
    assert vcpu.causes(EA) == 0x4000_0000


def test_the_primary_group_is_searched_first_whatever_was_entered_first():
    vcpu = Translated()
    vcpu.segment(EA, VSID)
    vcpu.map(VSID, EA, 0x8000, secondary=True)
    assert vcpu.real(EA) == 0x8000

    primary = vcpu.map(VSID, EA, 0x9000)
    assert vcpu.real(EA) == 0x9000
    vcpu.table.remove(primary, vcpu.table.entry(primary)[0])
    assert vcpu.real(EA) == 0x8000


def test_a_segment_that_changes_takes_its_pages_with_it_and_no_others():
    vcpu, _ = mapped()
    other = EA + (1 << 28)
    vcpu.segment(other, VSID + 1, index=1)
    vcpu.map(VSID + 1, other, 0x7000)
    assert (vcpu.real(EA), vcpu.real(other)) == (RA, 0x7000)

    vcpu.segment(EA, VSID + 2)
    assert vcpu.causes(EA) == 0x4000_0000
    assert vcpu.real(other) == 0x7000
    vcpu.state.write(SLB_ESID, 0, 1)
    assert vcpu.interrupt(other) == (Interrupt.DATA_SEGMENT, None)


def test_vcpus_have_slbs_of_their_own_and_one_table():
    vcpu, slot = mapped()
    state = ArchState()
    other = Mmu(state, vcpu.tables)
    second = hash_pages.Guest(state, vcpu.table)
    second.segment(0, VSID)
    assert other.translate(EA % (1 << 28), LOAD) == vcpu.real(EA) == RA

    vcpu.table.remove(slot, vcpu.table.entry(slot)[0])

    with pytest.raises(StorageInterrupt):
        other.translate(EA % (1 << 28), LOAD)
    assert vcpu.causes(EA) == 0x4000_0000


@pytest.mark.parametrize(
    ("mib", "shift"), [(16, 18), (32, 18), (64, 19), (256, 21), (512, 22), (513, 23), (1024, 23)]
)
def test_a_table_has_a_byte_for_128_bytes_of_ram(mib, shift):
    assert table_shift(mib << 20) == shift


def test_a_table_that_is_loaded_is_searched_as_the_one_it_was():
    vcpu = Translated()
    vcpu.segment(EA, VSID)
    vcpu.map(VSID, EA, 0x8000, secondary=True)
    vcpu.map(VSID, EA, 0x9000)
    loaded = Translated()
    loaded.segment(EA, VSID)

    loaded.table.load(bytes(vcpu.table.content))

    assert loaded.real(EA) == 0x9000


def test_entries_that_are_put_back_are_found_again_and_what_followed_from_others_is_forgotten():
    table = HashTable()
    first, second = 8, 9
    table.enter(first, 0x1001, 0x2192)
    before = table.content[:]
    table.remove(first, 0x1001)
    table.enter(second, 0x3003, 0x4192)
    changed = []
    table.on_change.append(changed.append)

    table.put_back(0, before[:4096])

    assert table.content[:] == before
    assert set(changed) == {table.home(second, 0x3003)}
    other = HashTable()
    other.load(before)
    assert table._valid == other._valid


def test_reference_and_change_bits_that_are_put_back_are_seen_again():
    table = HashTable()
    table.enter(8, 0x1001, 0x2000)
    before = table.content[:]
    table.record(8, 0x2180)
    changed = []
    table.on_change.append(changed.append)

    table.put_back(0, before[:4096])

    assert table.entry(8) == (0x1001, 0x2000)
    assert changed
