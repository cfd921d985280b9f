"""ONE_REG of the three areas, the two doors side by side, and the reset."""

import errno

import pytest

from papvmm.kvmapi.one_reg import get_one_reg, register_id, set_one_reg, unregister_areas
from papvmm.kvmapi.registers import OneRegError
from papvmm.papr.hcall import HcallStatus
from papvmm.trace.events import AreaRequested
from tests.areas import (
    DEREG_DTL,
    DEREG_VPA,
    DTL,
    EVERY_LEVEL,
    REG_DTL,
    REG_SLB,
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

WITH_ONE_REG = [hv for hv in EVERY_LEVEL if hv != "kvm-3.6"]
OUTSIDE_RAM = 0x1000_0000
IDS = {"VPA": "VPA_ADDR", "SLB": "VPA_SLB", "DTL": "VPA_DTL"}


def put(partition, name, *payload):
    """Set one register of vcpu 0, a VPA without a length; return 0 or -errno."""
    payload = payload[:1] if name == "VPA" else payload
    try:
        set_one_reg(partition.caller, register_id(IDS[name]), payload)
    except OneRegError as error:
        return -error.errno
    return 0


def get(partition, name):
    return get_one_reg(partition.caller, register_id(IDS[name]))


@pytest.mark.parametrize("name", IDS)
def test_before_the_commit_the_registers_are_unknown(name):
    partition = registered("kvm-3.6")

    with pytest.raises(OneRegError) as refusal:
        get(partition, name)

    assert refusal.value.errno == errno.EINVAL
    assert put(partition, name, 0, 48) == -errno.EINVAL


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_both_doors_show_in_one_reg_at_once(hv):
    partition = registered(hv, dtl=3, slb=True)

    assert get(partition, "VPA") == (VPA,)
    assert get(partition, "SLB") == (SLB, 64)
    assert get(partition, "DTL") == (DTL, 144)


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_what_is_put_is_got_with_whole_log_entries(hv):
    partition = unregistered(hv)

    assert put(partition, "VPA", VPA) == 0
    assert put(partition, "SLB", SLB, 0) == 0
    assert put(partition, "DTL", DTL, 97) == 0
    assert get(partition, "VPA") == (VPA,)
    assert get(partition, "SLB") == (SLB, 0)
    assert get(partition, "DTL") == (DTL, 96)


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_the_vpa_comes_first_and_goes_last(hv):
    partition = unregistered(hv)

    assert put(partition, "SLB", SLB, 64) == -errno.EINVAL
    assert put(partition, "DTL", DTL, 96) == -errno.EINVAL
    put(partition, "VPA", VPA)
    assert put(partition, "SLB", SLB, 64) == 0
    assert put(partition, "VPA", 0) == -errno.EINVAL
    assert put(partition, "SLB", 0, 0) == 0
    assert put(partition, "DTL", DTL, 96) == 0
    assert put(partition, "VPA", 0) == -errno.EINVAL
    assert put(partition, "DTL", 0, 48) == 0
    assert put(partition, "VPA", 0) == 0
    assert get(partition, "VPA") == (0,)


@pytest.mark.parametrize("hv", WITH_ONE_REG)
@pytest.mark.parametrize("name", IDS)
def test_alignment_is_all_that_is_asked_of_an_address(hv, name):
    partition = registered(hv)

    assert put(partition, name, VPA + 0x7F, 48) == -errno.EINVAL
    assert put(partition, name, OUTSIDE_RAM, 48) == 0
    assert put(partition, name, (1 << 64) - 128, 1 << 63) == 0


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_an_unregistered_area_has_no_length(hv):
    partition = registered(hv, dtl=3, slb=True)

    put(partition, "SLB", 0, 64)
    put(partition, "DTL", 0, 96)

    assert get(partition, "SLB") == (0, 0)
    assert get(partition, "DTL") == (0, 0)


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_a_log_shorter_than_an_entry(hv):
    partition = registered(hv)

    assert put(partition, "DTL", DTL, 47) == -errno.EINVAL
    assert put(partition, "DTL", DTL, 48) == 0


@pytest.mark.parametrize("hv", WITH_ONE_REG)
def test_the_commit_refuses_to_clear_the_log_with_length_0_and_later_kernels_do_not(hv):
    partition = registered(hv, dtl=2)

    expected = -errno.EINVAL if hv == "kvm-3.7" else 0
    assert put(partition, "DTL", 0, 0) == expected
    assert put(partition, "DTL", 0, 47) == expected
    assert put(partition, "DTL", 0, 48) == 0


@pytest.mark.parametrize(("hv", "length"), [("kvm-3.7", 1024), ("kvm", 640), ("papr", 640)])
def test_the_length_of_a_vpa_is_implied(hv, length):
    partition = unregistered(hv)

    put(partition, "VPA", VPA)

    assert partition.caller.areas.vpa.length == length


def test_a_vpa_that_one_reg_puts_where_it_is_is_not_initialised_again():
    partition = unregistered()
    areas = partition.caller.areas
    put(partition, "VPA", VPA)
    enter(areas)
    areas.leave()

    put(partition, "VPA", VPA)
    enter(areas)

    assert areas.yield_count == 4


def test_a_vpa_of_another_length_at_the_same_address_is_initialised_once_more():
    """Linux guests say 1024; the register implies 640."""
    partition = registered("kvm")
    areas = partition.caller.areas
    enter(areas)
    areas.leave()

    for _ in range(2):
        put(partition, "VPA", VPA)
        enter(areas)
        areas.leave()

    assert areas.yield_count == 5


def test_a_log_put_where_it_is_goes_on():
    partition = registered(dtl=4)
    areas = partition.caller.areas
    enter(areas)
    areas.leave()

    put(partition, "DTL", DTL, 4 * 48 + 1)
    enter(areas)

    assert areas.dtl_index == 2


# Where the doors differ: KVM's hypercall asks what is in force, ONE_REG what was asked for.


def with_failed_pin(name):
    """Return a partition whose vcpu 0 has a VPA, and a failed area of another kind."""
    partition = registered()
    put(partition, name, OUTSIDE_RAM, 96)
    enter(partition.caller.areas)
    partition.caller.areas.leave()
    return partition


@pytest.mark.parametrize("name", ["SLB", "DTL"])
def test_an_area_that_could_not_be_pinned_keeps_the_vpa_for_one_reg_only(name):
    partition = with_failed_pin(name)

    assert get(partition, name) == (OUTSIDE_RAM, 96)
    assert put(partition, "VPA", 0) == -errno.EINVAL
    assert hreg(partition, DEREG_VPA) == HcallStatus.H_SUCCESS


def test_even_an_area_without_a_byte_must_be_in_ram():
    partition = registered()
    put(partition, "SLB", OUTSIDE_RAM, 0)

    enter(partition.caller.areas)

    assert hreg(partition, DEREG_VPA) == HcallStatus.H_SUCCESS


@pytest.mark.parametrize("subfunction", [REG_SLB, REG_DTL])
def test_a_vpa_that_could_not_be_pinned_carries_areas_of_one_reg_only(subfunction):
    partition = unregistered()
    put(partition, "VPA", OUTSIDE_RAM)
    state_size(partition, DTL, 48)
    assert hreg(partition, subfunction, DTL) == HcallStatus.H_SUCCESS
    enter(partition.caller.areas)

    assert hreg(partition, subfunction, DTL) == HcallStatus.H_RESOURCE
    assert put(partition, "SLB" if subfunction == REG_SLB else "DTL", DTL, 48) == 0


def test_the_hypercall_always_requests_and_one_reg_only_changes():
    partition = registered(dtl=2)
    areas = partition.caller.areas
    enter(areas)

    put(partition, "DTL", DTL, 96)
    after_one_reg = areas.dtl.update_pending
    hreg(partition, DEREG_DTL)
    hreg(partition, DEREG_DTL)

    assert not after_one_reg
    assert areas.dtl.update_pending


def test_only_the_hypercall_reads_the_guests_size_word():
    partition = unregistered()
    state_size(partition, VPA, 1, 2)

    assert hreg(partition, REG_VPA, VPA) == HcallStatus.H_PARAMETER
    assert put(partition, "VPA", VPA) == 0


def test_only_the_hypercall_minds_where_memory_ends():
    partition = unregistered()

    assert hreg(partition, REG_VPA, OUTSIDE_RAM) == HcallStatus.H_PARAMETER
    assert put(partition, "VPA", OUTSIDE_RAM) == 0


def test_address_0_registers_nothing_at_one_door_and_unregisters_at_the_other():
    partition = registered()

    assert hreg(partition, REG_VPA, 0) == HcallStatus.H_PARAMETER
    assert get(partition, "VPA") == (VPA,)
    assert put(partition, "VPA", 0) == 0
    assert get(partition, "VPA") == (0,)


# Reset, and the corruption it prevents.


@pytest.mark.parametrize(
    ("hv", "dtl_length", "answers"),
    [
        ("kvm-3.6", 48, (-22,)),
        ("kvm-3.7", 0, (0, -22)),
        ("kvm-3.7", 48, (0, 0, 0)),
        ("kvm", 0, (0, 0, 0)),
        ("kvm-power8", 0, (0, 0, 0)),
        ("papr", 0, (0, 0, 0)),
    ],
)
def test_reset_by_one_reg(hv, dtl_length, answers):
    partition = registered(hv, dtl=2, slb=True)

    assert unregister_areas(partition.caller, dtl_length) == answers


REBOOT_ENTRIES = 5


def rebooted(hv, dtl_length):
    """Kernel A's areas live through three round trips; then kernel B fills both pages."""
    partition = unregistered(hv)
    register_areas(partition, dtl=85)
    areas = partition.caller.areas
    for _ in range(3):
        enter(areas)
        areas.leave()
    if dtl_length is not None:
        unregister_areas(partition.caller, dtl_length)
    partition.door.generation += 1
    partition.memory.write(VPA, b"\x5a" * 4096)
    partition.memory.write(DTL, b"\x5a" * 4096)
    stores(partition)
    for _ in range(REBOOT_ENTRIES):
        enter(areas)
        areas.leave()
    return partition


def changed(partition, page):
    data = partition.memory.read(page, 4096)
    return {page + offset for offset, byte in enumerate(data) if byte != 0x5A}


@pytest.mark.parametrize("hv", ["kvm-3.7", "kvm"])
def test_areas_that_outlive_a_reboot_corrupt_the_next_kernel(hv):
    partition = rebooted(hv, None)

    memory = partition.memory
    assert memory.load_be(VPA + 0x100, 4) == 0x5A5A_5A5A + 2 * REBOOT_ENTRIES
    assert memory.load_be(VPA + 0x218, 8) == 3 + REBOOT_ENTRIES
    assert changed(partition, DTL) == set(range(DTL + 3 * 48, DTL + (3 + REBOOT_ENTRIES) * 48))
    assert len(changed(partition, VPA)) == (1 + 8 if hv == "kvm-3.7" else 1 + 8 + 8)
    assert all(write.is_stale for write in partition.door.writes)


@pytest.mark.parametrize(("hv", "dtl_length"), [("kvm-3.7", 48), ("kvm", 0), ("kvm", 48)])
def test_areas_unregistered_at_reset_change_not_one_byte(hv, dtl_length):
    partition = rebooted(hv, dtl_length)

    assert changed(partition, VPA) | changed(partition, DTL) == set()
    assert stores(partition) == []


def test_at_the_commit_a_reset_with_dtl_length_0_fails_and_the_corruption_goes_on():
    partition = rebooted("kvm-3.7", 0)

    assert changed(partition, VPA) != set()


def test_what_was_pending_at_the_reboot_strikes_the_next_kernel_too():
    partition = registered("kvm")
    partition.door.generation += 1
    partition.memory.write(VPA, bytes(4096))

    enter(partition.caller.areas)

    assert partition.memory.read(VPA + 9, 1) == b"\x02"
    assert all(write.is_stale for write in partition.door.writes)


# Provenance.


def test_a_store_tells_who_when_and_by_which_registration():
    partition = unregistered()
    state_size(partition, VPA, 640, 2)
    partition.clock.count = 1000
    partition.door.generation = 2
    hreg(partition, REG_VPA, VPA, target=1, caller=0)
    partition.clock.count = 2000

    enter(partition.vcpus[1].areas)

    count = partition.door.writes[-1]
    assert (count.actor, count.area, count.field) == ("enter", "VPA", "lppaca.yield_count")
    assert (count.vcpu_id, count.generation, count.icount) == (1, 2, 2000)
    registration = count.registration
    assert (registration.number, registration.door, registration.caller) == (1, "H_REGISTER_VPA", 0)
    assert (registration.gpa, registration.length, registration.vcpu_id) == (VPA, 640, 1)
    assert (registration.generation, registration.icount) == (2, 1000)


def test_log_entries_and_exits_are_told_apart():
    partition = registered(dtl=2)
    areas = partition.caller.areas
    enter(areas)
    areas.leave()
    enter(areas)

    told = [(write.actor, write.area, write.field) for write in partition.door.writes]

    assert ("exit", "VPA", "lppaca.yield_count") in told
    assert [name for _, area, name in told if area == "DTL"] == ["dtl[0]", "dtl[1]"]


def test_a_store_names_the_registration_in_force_not_the_pending_one():
    partition = registered()
    enter(partition.caller.areas)
    put(partition, "VPA", 0x8000)

    partition.caller.areas.leave()

    assert partition.door.writes[-1].registration.door == "H_REGISTER_VPA"
    enter(partition.caller.areas)
    assert partition.door.writes[-1].registration.door == "ONE_REG"


def test_requests_are_told_when_somebody_listens():
    partition = unregistered()
    told = []
    partition.door.tracer.subscribe(AreaRequested, told.append)

    put(partition, "VPA", VPA)
    put(partition, "VPA", VPA)
    put(partition, "VPA", 0)

    assert [event.registration.gpa for event in told] == [VPA, 0]
    assert [event.registration.number for event in told] == [1, 2]
