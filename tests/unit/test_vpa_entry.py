"""Guest entry and exit: what the hypervisor stores, where, and in which order."""

import pytest

from papvmm.errors import HostCrash
from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg
from papvmm.papr.hcall import HcallStatus
from papvmm.vpa.dtl import Dispatch, DispatchReason, PreemptReason
from tests.areas import (
    DEREG_DTL,
    DEREG_VPA,
    DTL,
    EVERY_LEVEL,
    KVM_LEVELS,
    REG_DTL,
    REG_VPA,
    SLB,
    VPA,
    enter,
    hreg,
    register_areas,
    registered,
    state_size,
    stores,
    unregistered,
)

COUNT = VPA + 0x100
WAITED = VPA + 0x158
DTL_IDX = VPA + 0x218
A_DISPATCH = Dispatch(
    tb=0x1_2345_6789_ABCD, pcpu=0x1_0003, stolen=0x25, pc=0xC000_0000_0000_1234, msr=1 << 63
)
ITS_ENTRY = (
    "07000003" "00000025" "00000000" "00000000" "000123456789abcd"
    "0000000000000000" "c000000000001234" "8000000000000000"
)  # fmt: skip


@pytest.mark.parametrize("hv", KVM_LEVELS)
def test_a_request_changes_no_byte_before_the_entry(hv):
    partition = registered(hv, dtl=2, slb=True)

    assert stores(partition) == []


def test_the_first_entry_stores_in_kvms_order():
    partition = registered("kvm", dtl=2, slb=True)

    partition.caller.areas.enter(A_DISPATCH)

    assert stores(partition) == [
        (VPA + 9, "02"),
        (COUNT, "00000001"),
        (WAITED, "0000000000000025"),
        (DTL, ITS_ENTRY),
        (DTL_IDX, "0000000000000001"),
        (COUNT, "00000002"),
    ]


@pytest.mark.parametrize("hv", ["kvm-3.6", "kvm-3.7"])
def test_early_kvm_does_not_store_the_wait_time(hv):
    partition = registered(hv, dtl=2)

    partition.caller.areas.enter(A_DISPATCH)

    assert [gpa for gpa, _ in stores(partition)] == [VPA + 9, COUNT, DTL, DTL_IDX, COUNT]


def test_initialising_keeps_the_other_status_bits():
    partition = registered()
    partition.memory.write(VPA + 9, b"\x81")

    enter(partition.caller.areas)

    assert partition.memory.read(VPA + 9, 1) == b"\x83"


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_the_yield_count_is_even_exactly_while_the_guest_runs(hv):
    partition = registered(hv)
    areas = partition.caller.areas
    parities = []

    for step in (enter, lambda areas: areas.leave()) * 3:
        step(areas)
        parities.append(areas.yield_count % 2)

    assert parities == [0, 1] * 3


def test_kvm_adds_one_to_whatever_the_guest_left_in_the_yield_count():
    partition = registered("kvm")
    enter(partition.caller.areas)
    partition.memory.store_be(COUNT, 4, 0xFFFF_FFFF)

    partition.caller.areas.leave()

    assert partition.memory.load_be(COUNT, 4) == 0
    assert partition.memory.load_be(COUNT + 4, 4) == 0


@pytest.mark.parametrize(("left", "after_exit"), [(4, 5), (5, 7)])
def test_papr_corrects_a_yield_count_of_the_wrong_parity(left, after_exit):
    partition = registered("papr")
    enter(partition.caller.areas)
    partition.memory.store_be(COUNT, 4, left)

    partition.caller.areas.leave()

    assert partition.memory.load_be(COUNT, 4) == after_exit


def test_without_a_vpa_nothing_is_stored():
    partition = registered()
    other = partition.vcpus[1].areas

    enter(other)
    other.leave()

    assert stores(partition) == []
    assert other.yield_count == 0


# Unregistering.


@pytest.mark.parametrize("hv", [hv for hv in EVERY_LEVEL if hv != "kvm-3.6"])
def test_entry_after_unregistering_the_vpa_leaves_ram_alone(hv):
    """The oops the seed commit fixes: init_vpa ran on an unpinned VPA."""
    partition = registered(hv)
    enter(partition.caller.areas)
    partition.caller.areas.leave()
    assert hreg(partition, DEREG_VPA) == HcallStatus.H_SUCCESS
    partition.memory.write(VPA, b"\xaa" * 1024)
    stores(partition)

    enter(partition.caller.areas)

    assert stores(partition) == []
    assert partition.memory.read(VPA, 1024) == b"\xaa" * 1024


def test_before_the_commit_it_crashed_the_host():
    partition = registered("kvm-3.6")
    enter(partition.caller.areas)
    hreg(partition, DEREG_VPA)

    with pytest.raises(HostCrash, match="null pointer"):
        enter(partition.caller.areas)


def test_an_unregistered_vpa_keeps_its_last_odd_count():
    partition = registered()
    enter(partition.caller.areas)
    hreg(partition, DEREG_VPA)
    partition.caller.areas.leave()

    enter(partition.caller.areas)

    assert partition.memory.load_be(COUNT, 4) == 3


def test_the_old_vpa_is_used_until_the_next_entry_of_its_vcpu():
    partition = registered()
    areas = partition.caller.areas
    enter(areas)
    new = 0x8000
    state_size(partition, new, 640, 2)
    hreg(partition, REG_VPA, new, target=0, caller=1)
    stores(partition)

    areas.leave()
    enter(areas)

    assert stores(partition) == [
        (COUNT, "00000003"),
        (new + 9, "02"),
        (new + 0x100, "00000001"),
        (new + 0x158, "0000000000000000"),
        (new + 0x100, "00000002"),
    ]


def test_registering_again_by_hypercall_initialises_again():
    partition = registered()
    areas = partition.caller.areas
    enter(areas)
    areas.leave()

    hreg(partition, REG_VPA, VPA)
    enter(areas)

    assert partition.memory.load_be(COUNT, 4) == 2


def test_a_request_is_applied_once():
    partition = registered(dtl=2)
    enter(partition.caller.areas)
    partition.caller.areas.leave()
    stores(partition)

    enter(partition.caller.areas)

    assert [gpa for gpa, _ in stores(partition)] == [WAITED, DTL + 48, DTL_IDX, COUNT]


# Areas that can't be used.


@pytest.mark.parametrize("gpa", [0x40000, 0x1_0000_0000_0000, 0x2E00])
def test_an_area_that_does_not_fit_is_dropped_but_still_shown(gpa):
    """ONE_REG takes any aligned address: outside RAM, or 512 bytes before a page ends."""
    partition = registered()
    vcpu = partition.caller
    set_one_reg(vcpu, register_id("VPA_ADDR"), (gpa,))

    enter(vcpu.areas)
    enter(vcpu.areas)

    assert stores(partition) == []
    assert get_one_reg(vcpu, register_id("VPA_ADDR")) == (gpa,)


def test_an_area_may_end_where_its_page_ends():
    partition = registered()
    vcpu = partition.caller
    set_one_reg(vcpu, register_id("VPA_ADDR"), (0x2D80,))

    enter(vcpu.areas)

    assert partition.memory.load_be(0x2D80 + 0x100, 4) == 2


# The dispatch trace log.


def test_the_log_wraps_and_the_index_goes_on():
    partition = registered(dtl=2)
    areas = partition.caller.areas

    for tb in (1, 2, 3):
        enter(areas, tb=tb)
        areas.leave()

    assert partition.memory.load_be(DTL + 0x10, 8) == 3
    assert partition.memory.load_be(DTL + 48 + 0x10, 8) == 2
    assert partition.memory.load_be(DTL_IDX, 8) == 3
    assert areas.dtl_ptr == DTL + 48


def test_a_log_holds_whole_entries_only():
    partition = registered(dtl=0)
    state_size(partition, DTL, 2 * 48 + 47)
    hreg(partition, REG_DTL, DTL)

    assert get_one_reg(partition.caller, register_id("VPA_DTL")) == (DTL, 96)


def test_a_new_log_starts_at_index_0_which_the_vpa_learns_with_its_first_entry():
    partition = registered(dtl=4)
    areas = partition.caller.areas
    for _ in range(3):
        enter(areas)
        areas.leave()
    hreg(partition, DEREG_DTL)
    enter(areas)
    areas.leave()
    assert partition.memory.load_be(DTL_IDX, 8) == 3

    state_size(partition, DTL, 96)
    hreg(partition, REG_DTL, DTL)
    enter(areas)

    assert partition.memory.load_be(DTL_IDX, 8) == 1


def test_a_new_vpa_does_not_end_the_old_log():
    partition = registered(dtl=4)
    areas = partition.caller.areas
    enter(areas)
    areas.leave()
    state_size(partition, 0x8000, 640, 2)
    hreg(partition, REG_VPA, 0x8000)
    stores(partition)

    enter(areas)

    assert (DTL + 48) in [gpa for gpa, _ in stores(partition)]
    assert partition.memory.load_be(0x8218, 8) == 2


def test_a_log_without_a_vpa_in_force_gets_nothing():
    """The VPA could not be pinned, and the log could."""
    partition = registered(dtl=2)
    set_one_reg(partition.caller, register_id("VPA_ADDR"), (0x7FF_0000,))

    enter(partition.caller.areas)

    assert stores(partition) == []


def test_a_slb_shadow_is_never_written():
    partition = registered(slb=True)

    enter(partition.caller.areas)
    partition.caller.areas.leave()

    assert all(not SLB <= gpa < SLB + 4096 for gpa, _ in stores(partition))
    assert partition.caller.areas.slb_shadow.pinned is not None


# Stolen time.


def logged_ticks(partition, entry=0):
    return partition.memory.load_be(DTL + 48 * entry + 4, 4)


def test_the_log_tells_the_ticks_stolen_since_the_last_entry():
    partition = registered(dtl=4)
    enter(partition.caller.areas, stolen=100)
    enter(partition.caller.areas, stolen=0x1_0000_0064)

    enter(partition.caller.areas, stolen=0x1_0000_0065)

    assert [logged_ticks(partition, entry) for entry in range(3)] == [100, 0, 1]
    assert partition.memory.load_be(WAITED, 8) == 0x1_0000_0065


@pytest.mark.parametrize(
    ("hv", "logged", "waited"),
    [("kvm-3.7", 7, 0), ("kvm", 107, 107), ("kvm-power8", 7, 7)],
)
def test_time_stolen_before_there_is_a_vpa(hv, logged, waited):
    partition = unregistered(hv)
    enter(partition.caller.areas, stolen=100)
    register_areas(partition, dtl=4)

    enter(partition.caller.areas, stolen=107)

    assert logged_ticks(partition) == logged
    assert partition.memory.load_be(WAITED, 8) == waited


def test_power8_adds_to_the_wait_time_what_power9_would_store():
    partition = registered("kvm-power8")
    enter(partition.caller.areas, stolen=5)
    partition.memory.store_be(WAITED, 8, 1000)

    enter(partition.caller.areas, stolen=12)

    assert partition.memory.load_be(WAITED, 8) == 1007


# Entries that are interrupted.


@pytest.mark.parametrize(
    ("hv", "expected"),
    [("kvm", [(VPA + 9, "02"), (COUNT, "00000001")]), ("kvm-power8", [])],
)
def test_an_interrupted_entry_applies_requests_on_power9_only(hv, expected):
    partition = registered(hv, dtl=2)

    partition.caller.areas.try_enter()

    assert stores(partition) == expected


# The dirty log.


def test_initialising_is_not_dirtying_and_entering_is():
    partition = registered("kvm", dtl=2)
    areas = partition.caller.areas
    areas.try_enter()
    after_initialising = areas.take_dirty_pages()

    enter(areas)

    assert after_initialising == set()
    assert areas.take_dirty_pages() == {VPA // 4096}
    assert areas.take_dirty_pages() == set()


def test_a_page_stays_dirty_when_its_vpa_moves():
    partition = registered("kvm")
    areas = partition.caller.areas
    enter(areas)
    areas.leave()
    state_size(partition, 0x8000, 640, 2)
    hreg(partition, REG_VPA, 0x8000)

    enter(areas)

    assert areas.take_dirty_pages() == {2, 8}


def test_dirty_pages_are_host_pages():
    partition = registered("kvm", page=65536)

    enter(partition.caller.areas)

    assert partition.caller.areas.take_dirty_pages() == {0}


# PAPR's level.


def test_papr_initialises_at_once_and_leaves_the_count_to_the_exit():
    partition = registered("papr")

    assert stores(partition) == [(VPA + 9, "02")]


def test_papr_uses_a_new_vpa_at_once():
    partition = registered("papr")
    areas = partition.caller.areas
    enter(areas)
    state_size(partition, 0x8000, 640, 2)
    hreg(partition, REG_VPA, 0x8000)
    stores(partition)

    areas.leave()

    assert stores(partition) == [(0x8100, "00000001")]


@pytest.mark.parametrize(
    ("mask", "preempted", "logged"),
    [
        (0, PreemptReason.END_OF_TIME_SLICE, False),
        (1, PreemptReason.H_CEDE, True),
        (1, PreemptReason.H_CONFER, True),
        (1, PreemptReason.END_OF_TIME_SLICE, False),
        (2, PreemptReason.END_OF_TIME_SLICE, True),
        (5, PreemptReason.END_OF_TIME_SLICE, False),
        (4, PreemptReason.PAGE_FAULT, True),
        (7, PreemptReason.UNUSED, False),
    ],
)
def test_papr_logs_what_the_guest_asked_for(mask, preempted, logged):
    partition = registered("papr", dtl=2)
    partition.memory.write(VPA + 0xB8, bytes([mask]))
    stores(partition)

    partition.caller.areas.enter(
        A_DISPATCH._replace(dispatch_reason=DispatchReason.H_PROD, preempt_reason=preempted)
    )

    entries = [data for gpa, data in stores(partition) if gpa == DTL]
    assert [data[:4] for data in entries] == [f"02{preempted:02x}"] * logged


@pytest.mark.parametrize("mask", [0, 7])
def test_kvm_logs_every_dispatch_as_a_time_slice(mask):
    partition = registered("kvm", dtl=2)
    partition.memory.write(VPA + 0xB8, bytes([mask]))

    partition.caller.areas.enter(
        A_DISPATCH._replace(
            dispatch_reason=DispatchReason.H_PROD, preempt_reason=PreemptReason.H_CEDE
        )
    )

    assert (DTL, ITS_ENTRY) in stores(partition)
