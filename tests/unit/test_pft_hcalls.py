"""H_ENTER and what else there is for the hashed page table: answers, and entries afterwards."""

import pytest

from papvmm.papr.hcall import Hcall
from tests.fakes import Partition
from tests.hash_pages import BOLTED, CHANGED, GUARDED, LARGE, NO_EXECUTE, PP0, REFERENCED, VALID, M
from tests.hcalls import outputs, status

SUCCESS, FUNCTION, PARAMETER, FULL, NOT_FOUND = 0, -2, -4, -6, -7
EXACT, READ_4, AVPN, ANDCOND = 1 << 39, 1 << 37, 1 << 31, 1 << 30
SLOTS = 1 << 14
V = 0x4000_0012_3456_7880 | VALID
ADDRESS = V & ~0x7F
R = 0x8000 | M | 2
THROUGH, INHIBITED = 0x40, 0x20
LARGE_64K, LARGE_16M = 1 << 12, 0
ENTER, REMOVE, READ, PROTECT = Hcall.H_ENTER, Hcall.H_REMOVE, Hcall.H_READ, Hcall.H_PROTECT
BULK, CLEAR_REF, CLEAR_MOD = Hcall.H_BULK_REMOVE, Hcall.H_CLEAR_REF, Hcall.H_CLEAR_MOD
ALL = (ENTER, REMOVE, READ, PROTECT, BULK, CLEAR_REF, CLEAR_MOD)


def with_entries(**entries):
    """A partition with entries in its table, by slots as ``s17``."""
    partition = Partition()
    for name, (v, r) in entries.items():
        assert status(partition, ENTER, EXACT, int(name[1:]), v, r) == SUCCESS
    return partition


def entries(partition, first=0, count=8):
    return [partition.hash_table.entry(slot) for slot in range(first, first + count)]


def test_an_entry_goes_into_the_first_free_slot_of_its_group_whichever_is_named():
    partition = Partition()
    slots = []

    for slot in (8, 9, 15, 13):
        assert status(partition, ENTER, 0, slot, V, R | slot << 12) == SUCCESS
        slots += outputs(partition, 1)

    assert slots == [8, 9, 10, 11]
    assert entries(partition, 8, 5) == [
        (V, R | 0x8000), (V, R | 0x9000), (V, R | 0xF000), (V, R | 0xD000), (0, 0),
    ]  # fmt: skip


def test_a_full_group_takes_no_more_until_one_is_removed():
    partition = Partition()
    for _ in range(8):
        assert status(partition, ENTER, 0, 16, V, R) == SUCCESS

    assert status(partition, ENTER, 0, 16, V, R) == FULL
    assert status(partition, REMOVE, 0, 21, 0) == SUCCESS
    assert status(partition, ENTER, 0, 16, V, R) == SUCCESS
    assert outputs(partition, 1) == [21]


def test_an_exact_slot_is_taken_or_refused():
    partition = Partition()

    assert status(partition, ENTER, EXACT, 21, V, R) == SUCCESS
    assert outputs(partition, 1) == [21]
    assert status(partition, ENTER, EXACT, 21, V, R) == FULL
    assert entries(partition, 16) == [(0, 0)] * 5 + [(V, R)] + [(0, 0)] * 2


def test_bits_of_the_hypervisor_are_not_the_guests_and_those_of_software_stay():
    partition = with_entries(s3=(V | BOLTED | 8 | 0x60, R))

    assert entries(partition, 3, 1) == [(V | BOLTED | 8, R)]


def test_an_entry_is_valid_once_it_is_entered():
    assert entries(with_entries(s3=(V & ~VALID, R)), 3, 1) == [(V, R)]


@pytest.mark.parametrize(
    ("v", "r", "answer"),
    [
        (V, R, SUCCESS),
        (V | LARGE, LARGE_64K | R & 0xFFF, SUCCESS),
        (V | LARGE, 0x7000 | R & 0xFFF, SUCCESS),
        (V | LARGE, 0xF7000 | R & 0xFFF, PARAMETER),
        (V | LARGE, 0x8000 | R & 0xFFF, SUCCESS),
        (V | LARGE, 0x38000 | R & 0xFFF, SUCCESS),
        (V | LARGE, LARGE_16M | R & 0xFFF, SUCCESS),
        (V | LARGE, 0x2000 | R & 0xFFF, PARAMETER),
        (V | LARGE, 0x10000 | R & 0xFFF, PARAMETER),
        (V | LARGE, 0x108000 | R & 0xFFF, PARAMETER),
        (V, 0x8000 | 2, PARAMETER),
        (V, 0x8000 | M | GUARDED, PARAMETER),
        (V, 0x8000 | M | THROUGH, PARAMETER),
        (V, 0x8000 | INHIBITED, PARAMETER),
        (V, 0x10000 | M, PARAMETER),
        (V, 0x10000 | INHIBITED, SUCCESS),
        (V, 0x10000 | INHIBITED | GUARDED, SUCCESS),
        (V, 0x10000 | INHIBITED | M, SUCCESS),
        (V, 0x10000 | INHIBITED | THROUGH, PARAMETER),
    ],
)
def test_an_entry_must_have_a_page_size_there_is_and_the_attributes_of_its_storage(v, r, answer):
    partition = Partition()

    assert status(partition, ENTER, 0, 0, v, r) == answer
    assert bool(entries(partition, 0, 1)[0][0]) == (answer == SUCCESS)


@pytest.mark.parametrize("token", [ENTER, REMOVE, READ, PROTECT, CLEAR_REF, CLEAR_MOD])
def test_a_slot_past_the_table_is_refused(token):
    partition = Partition()

    assert status(partition, token, 0, SLOTS, V, R) == PARAMETER
    assert status(partition, token, 0, SLOTS - 1, V, R) != PARAMETER


@pytest.mark.parametrize("token", [REMOVE, PROTECT, CLEAR_REF, CLEAR_MOD])
def test_an_invalid_entry_is_not_found(token):
    partition = Partition()

    assert status(partition, token, 0, 5, 0x77, 0x88) == NOT_FOUND
    assert outputs(partition, 3) == [0, 5, 0x77]


@pytest.mark.parametrize(
    ("flags", "address", "answer"),
    [
        (0, 0x123, SUCCESS), (AVPN, ADDRESS, SUCCESS), (AVPN, ADDRESS ^ 0x80, NOT_FOUND),
        (AVPN, ADDRESS ^ 1 << 62, NOT_FOUND), (AVPN, V, NOT_FOUND),
        (ANDCOND, BOLTED, NOT_FOUND), (ANDCOND, 8, SUCCESS), (ANDCOND, 0, SUCCESS),
    ],
)  # fmt: skip
def test_an_entry_is_removed_on_a_condition(flags, address, answer):
    partition = with_entries(s5=(V | BOLTED, R))

    assert status(partition, REMOVE, flags, 5, address) == answer
    if answer == SUCCESS:
        assert outputs(partition, 2) == [V | BOLTED, R]
        assert entries(partition, 5, 1) == [(0, 0)]
    else:
        assert outputs(partition, 2) == [flags, 5]
        assert entries(partition, 5, 1) == [(V | BOLTED, R)]


def test_entries_are_read_one_or_four_at_a_time():
    partition = with_entries(s4=(V, R), s6=(V | BOLTED, R | 0x1000), s7=(V, R | 0x2000))

    assert status(partition, READ, 0, 6, 0x33, 0x44) == SUCCESS
    assert outputs(partition, 3) == [V | BOLTED, R | 0x1000, 0x33]
    assert status(partition, READ, READ_4, 6) == SUCCESS
    assert outputs(partition, 8) == [V, R, 0, 0, V | BOLTED, R | 0x1000, V, R | 0x2000]


@pytest.mark.parametrize(
    ("flags", "after"),
    [
        (0, 0), (3, 3), (4, NO_EXECUTE), (1 << 8, PP0), (0xE00, 0xE00), (0x3000, 3 << 60),
        (0x1F8 | ANDCOND, PP0),
    ],
)  # fmt: skip
def test_protection_is_replaced_and_nothing_else(flags, after):
    rest = 0x8000 | M | REFERENCED | CHANGED
    before = rest | PP0 | 2 | NO_EXECUTE | 0x200 | 1 << 61
    partition = with_entries(s5=(V, before))

    assert status(partition, PROTECT, flags, 5, 0x123) == SUCCESS
    assert outputs(partition, 2) == [flags, 5]
    assert entries(partition, 5, 1) == [(V, rest | after)]


def test_protection_is_changed_only_for_the_right_address():
    partition = with_entries(s5=(V, R))

    assert status(partition, PROTECT, AVPN | 3, 5, ADDRESS ^ 0x100) == NOT_FOUND
    assert entries(partition, 5, 1) == [(V, R)]
    assert status(partition, PROTECT, AVPN | 3, 5, ADDRESS) == SUCCESS
    assert entries(partition, 5, 1) == [(V, R | 3)]


@pytest.mark.parametrize(("token", "bit"), [(CLEAR_REF, REFERENCED), (CLEAR_MOD, CHANGED)])
def test_reference_and_change_are_cleared_and_returned(token, bit):
    both = R | REFERENCED | CHANGED
    partition = with_entries(s5=(V, both))

    assert status(partition, token, 0, 5, 0x33) == SUCCESS
    assert outputs(partition, 2) == [both, 5]
    assert entries(partition, 5, 1) == [(V, both & ~bit)]


def bulk(kind, slot, flags=0):
    return kind << 62 | flags << 56 | slot


def test_several_entries_are_removed_each_on_its_condition_up_to_the_end():
    partition = with_entries(s1=(V, R | REFERENCED), s2=(V, R | CHANGED), s3=(V, R), s4=(V, R))
    asked = [
        bulk(1, 1), 0, bulk(1, 2, 2), ADDRESS, bulk(1, 3, 1), VALID, bulk(3, 0x77), 0x88,
    ]  # fmt: skip

    assert status(partition, BULK, *asked) == SUCCESS
    assert outputs(partition, 8) == [
        bulk(2, 1) | 8 << 56, 0, bulk(2, 2, 2) | 4 << 56, ADDRESS, bulk(2, 3, 1) | 1 << 60, VALID,
        bulk(3, 0x77), 0x88,
    ]  # fmt: skip
    assert entries(partition, 0, 5) == [(0, 0)] * 3 + [(V, R)] * 2


@pytest.mark.parametrize(
    ("wrong", "answer"),
    [
        (bulk(1, SLOTS), bulk(2, SLOTS) | 2 << 60),
        (bulk(1, 2, 3), bulk(2, 2, 3) | 2 << 60),
        (bulk(2, 2), bulk(2, 2)),
        (bulk(0, 2), bulk(0, 2)),
    ],
)
def test_a_specifier_that_cannot_be_ends_the_call(wrong, answer):
    partition = with_entries(s1=(V, R), s2=(V, R), s3=(V, R))

    assert status(partition, BULK, bulk(1, 1), 0, wrong, 0x22, bulk(1, 3), 0) == PARAMETER
    assert outputs(partition, 6) == [bulk(2, 1), 0, answer, 0x22, bulk(1, 3), 0]
    assert entries(partition, 1, 3) == [(0, 0), (V, R), (V, R)]


@pytest.mark.parametrize("token", ALL)
def test_a_guest_with_radix_trees_has_no_hashed_page_table(token):
    partition = with_entries(s1=(V, R))
    assert status(partition, Hcall.H_REGISTER_PROC_TBL, 0x1D, 0x1000, 0, 0) == SUCCESS

    assert status(partition, token, 0, 1, V, R) == FUNCTION
    assert status(partition, Hcall.H_REGISTER_PROC_TBL, 0x10, 0, 0, 0) == SUCCESS
    assert entries(partition, 1, 1) == [(0, 0)]


@pytest.mark.parametrize("token", [0x36C, 0x370])
def test_a_table_cannot_be_resized(token):
    assert status(Partition(), token, 0, 20) == FUNCTION
