"""H_REGISTER_VPA: which requests the hypervisor takes, and what it answers to the others."""

import pytest

from papvmm.kvmapi.one_reg import get_one_reg, register_id
from papvmm.papr.hcall import HcallStatus
from papvmm.papr.hcalls.vpa import h_register_vpa, register_vpa
from tests.areas import (
    DEREG_DTL,
    DEREG_SLB,
    DEREG_VPA,
    DTL,
    EVERY_LEVEL,
    KVM_LEVELS,
    REG_DTL,
    REG_SLB,
    REG_VPA,
    SLB,
    VPA,
    enter,
    hreg,
    registered,
    state_size,
    unregistered,
)
from tests.fakes import Partition

H_SUCCESS = HcallStatus.H_SUCCESS
H_PARAMETER = HcallStatus.H_PARAMETER
H_RESOURCE = HcallStatus.H_RESOURCE
MINIMUM = {"kvm-3.6": 1024, "kvm-3.7": 1024, "kvm": 640, "kvm-power8": 640, "papr": 640}
KINDS = [(REG_VPA, "VPA_ADDR"), (REG_SLB, "VPA_SLB"), (REG_DTL, "VPA_DTL")]


def requested(partition, name, vcpu=0):
    return get_one_reg(partition.vcpus[vcpu], register_id(name))


def test_the_handler_reads_flags_vcpu_and_address():
    partition = unregistered()
    state_size(partition, VPA, 640, 2)

    result = h_register_vpa(partition, (1 << 45, 1, VPA, 0, 0, 0, 0, 0, 0))

    assert result.status == H_SUCCESS
    assert requested(partition, "VPA_ADDR", vcpu=1) == (VPA,)
    assert requested(partition, "VPA_ADDR", vcpu=0) == (0,)


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_the_shortest_vpa(hv):
    partition = unregistered(hv)
    state_size(partition, VPA, MINIMUM[hv] - 1, 2)
    state_size(partition, 0x8000, MINIMUM[hv], 2)

    assert hreg(partition, REG_VPA, VPA) == H_PARAMETER
    assert hreg(partition, REG_VPA, 0x8000) == H_SUCCESS


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize(("subfunction", "shortest"), [(REG_SLB, 8), (REG_DTL, 48)])
def test_the_shortest_slb_shadow_and_log(hv, subfunction, shortest):
    partition = registered(hv)
    state_size(partition, 0x8000, shortest - 1)
    state_size(partition, 0x9000, shortest)

    assert hreg(partition, subfunction, 0x8000) == H_PARAMETER
    assert hreg(partition, subfunction, 0x9000) == H_SUCCESS


def test_the_size_of_a_vpa_is_a_halfword_and_what_follows_is_not_looked_at():
    partition = unregistered()
    partition.memory.write(VPA + 4, bytes.fromhex("0400ffff"))

    assert hreg(partition, REG_VPA, VPA) == H_SUCCESS
    assert partition.caller.areas.vpa.length == 0x400


@pytest.mark.parametrize(("subfunction", "name"), KINDS[1:])
def test_the_size_of_the_others_is_a_word(subfunction, name):
    partition = registered()
    partition.memory.write(0x8004, bytes.fromhex("00010040"))
    partition.memory.write(0x9004, bytes.fromhex("00000040"))

    assert hreg(partition, subfunction, 0x8000) == H_PARAMETER
    assert hreg(partition, subfunction, 0x9000) == H_SUCCESS
    assert requested(partition, name)[0] == 0x9000


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [REG_VPA, REG_SLB, REG_DTL])
@pytest.mark.parametrize("gpa", [VPA + 64, VPA + 1, 0x40000, 0x4000_0000_0000, (1 << 64) - 128])
def test_an_address_that_is_not_aligned_memory(hv, subfunction, gpa):
    partition = registered(hv)
    partition.memory.write(VPA, bytes.fromhex("00000400") * 64)

    assert hreg(partition, subfunction, gpa) == H_PARAMETER


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [REG_VPA, REG_SLB, REG_DTL])
def test_address_0_is_no_address(hv, subfunction):
    partition = registered(hv)
    partition.memory.write(4, bytes.fromhex("04000400"))

    expected = HcallStatus.H_HARDWARE if hv == "papr" else H_PARAMETER
    assert hreg(partition, subfunction, 0) == expected


def test_memory_that_ends_within_the_header():
    partition = Partition(memory_size=0x3004)

    assert hreg(partition, REG_VPA, 0x3000) == H_PARAMETER


# How far an area reaches.


@pytest.mark.parametrize("hv", KVM_LEVELS)
@pytest.mark.parametrize(("page", "expected"), [(4096, H_PARAMETER), (65536, H_SUCCESS)])
def test_an_area_stays_within_its_host_page(hv, page, expected):
    partition = unregistered(hv, page=page)
    state_size(partition, 0x2C80, 1024, 2)

    assert hreg(partition, REG_VPA, 0x2C80) == expected


@pytest.mark.parametrize(("subfunction", "size"), [(REG_SLB, 0x101), (REG_DTL, 0x101)])
def test_kvm_bounds_the_stated_size_of_every_area(subfunction, size):
    partition = registered()
    state_size(partition, 0x8F00, size)
    state_size(partition, 0x9F00, size - 1)

    assert hreg(partition, subfunction, 0x8F00) == H_PARAMETER
    assert hreg(partition, subfunction, 0x9F00) == H_SUCCESS


@pytest.mark.parametrize(
    ("subfunction", "gpa", "size", "width", "expected"),
    [
        (REG_VPA, 0x8D00, 768, 2, H_SUCCESS),
        (REG_VPA, 0x8D00, 769, 2, H_PARAMETER),
        (REG_SLB, 0x8F00, 256, 4, H_SUCCESS),
        (REG_SLB, 0x8F00, 257, 4, H_PARAMETER),
        (REG_DTL, 0x8F00, 4096, 4, H_SUCCESS),
        (REG_DTL, 0x8F00, 4097, 4, H_PARAMETER),
        (REG_DTL, 0x3FF00, 0x180, 4, H_PARAMETER),
    ],
)
def test_papr_keeps_areas_within_4_kib_whatever_the_host_page(
    subfunction, gpa, size, width, expected
):
    partition = registered("papr", page=65536)
    state_size(partition, gpa, size, width)

    assert hreg(partition, subfunction, gpa) == expected


# The order: the VPA comes first and goes last.


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [REG_SLB, REG_DTL])
def test_the_vpa_comes_first(hv, subfunction):
    partition = unregistered(hv)
    state_size(partition, DTL, 48)

    assert hreg(partition, subfunction, DTL) == H_RESOURCE


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_a_size_that_is_too_small_is_found_before_the_missing_vpa(hv):
    partition = unregistered(hv)
    state_size(partition, DTL, 47)

    assert hreg(partition, REG_DTL, DTL) == H_PARAMETER


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize(("register", "deregister"), [(REG_SLB, DEREG_SLB), (REG_DTL, DEREG_DTL)])
def test_the_vpa_goes_last(hv, register, deregister):
    partition = registered(hv)
    state_size(partition, DTL, 48)
    hreg(partition, register, DTL)

    assert hreg(partition, DEREG_VPA) == H_RESOURCE
    assert hreg(partition, deregister) == H_SUCCESS
    assert hreg(partition, DEREG_VPA) == H_SUCCESS


def test_a_request_to_drop_the_vpa_counts_before_the_entry_that_drops_it():
    partition = registered()
    enter(partition.caller.areas)
    hreg(partition, DEREG_VPA)
    state_size(partition, DTL, 48)

    assert hreg(partition, REG_DTL, DTL) == H_RESOURCE


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [DEREG_VPA, DEREG_SLB, DEREG_DTL])
def test_dropping_what_is_not_there_succeeds_whatever_the_address(hv, subfunction):
    partition = unregistered(hv)

    assert hreg(partition, subfunction, 0x1234_5678_9ABC_DEF1) == H_SUCCESS
    assert partition.caller.areas.vpa.next_gpa == 0


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_the_last_registration_wins(hv):
    partition = registered(hv)
    state_size(partition, 0x8000, 1024, 2)

    assert hreg(partition, REG_VPA, 0x8000) == H_SUCCESS
    assert partition.caller.areas.vpa.next_gpa == 0x8000


# Who, and with which flags.


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [0, 4])
def test_reserved_sub_functions(hv, subfunction):
    partition = registered(hv)

    assert hreg(partition, subfunction, VPA) == H_PARAMETER
    assert partition.caller.areas.vpa.next_gpa == VPA


@pytest.mark.parametrize("junk", [1, 1 << 44, 1 << 48, 1 << 63, 0xFFFF_0000_0000_0000])
@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_other_flag_bits(hv, junk):
    partition = unregistered(hv)
    state_size(partition, VPA, 1024, 2)

    status = register_vpa(partition.caller, partition.find_vcpu, REG_VPA << 45 | junk, 0, VPA)

    assert status == (H_PARAMETER if hv == "papr" else H_SUCCESS)


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("target", [2, 0xFFFF_FFFF, (1 << 64) - 1])
def test_a_vcpu_that_is_not_there(hv, target):
    partition = unregistered(hv)
    state_size(partition, VPA, 1024, 2)

    assert hreg(partition, REG_VPA, VPA, target=target) == H_PARAMETER


@pytest.mark.parametrize("hv", EVERY_LEVEL)
def test_kvm_reads_a_vcpu_id_as_an_int(hv):
    partition = unregistered(hv)
    state_size(partition, VPA, 1024, 2)

    status = hreg(partition, REG_VPA, VPA, target=0x1_0000_0001)

    assert status == (H_PARAMETER if hv == "papr" else H_SUCCESS)
    assert partition.vcpus[1].areas.vpa.next_gpa == (0 if hv == "papr" else VPA)


@pytest.mark.parametrize("hv", EVERY_LEVEL)
@pytest.mark.parametrize("subfunction", [REG_VPA, REG_SLB, REG_DTL])
def test_registering_for_another_running_vcpu(hv, subfunction):
    partition = unregistered(hv)
    state_size(partition, VPA, 1024, 2)
    state_size(partition, SLB, 48)
    hreg(partition, REG_VPA, VPA, target=1)
    partition.vcpus[1].start(0x100, r3=0)

    gpa = VPA if subfunction == REG_VPA else SLB
    status = hreg(partition, subfunction, gpa, target=1)

    refused = hv == "papr" and subfunction != REG_DTL
    assert status == (HcallStatus.H_STATE if refused else H_SUCCESS)


def test_to_papr_a_ceded_vcpu_is_online():
    partition = unregistered("papr")
    state_size(partition, VPA, 640, 2)
    partition.vcpus[1].start(0x100, r3=0)
    partition.vcpus[1].cede()

    assert hreg(partition, REG_VPA, VPA, target=1) == HcallStatus.H_STATE


def test_papr_lets_a_vcpu_register_for_itself_and_for_one_that_is_offline():
    partition = registered("papr")
    state_size(partition, 0x8000, 640, 2)

    assert hreg(partition, REG_VPA, 0x8000, target=0) == H_SUCCESS
    assert hreg(partition, REG_VPA, 0x8000, target=1) == H_SUCCESS
