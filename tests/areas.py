"""What tests of the areas do all the time: a partition, its doors, entries and exits."""

from papvmm.papr.hcall import HcallStatus
from papvmm.papr.hcalls.vpa import register_vpa
from papvmm.vpa.areas import VcpuAreas
from papvmm.vpa.dtl import Dispatch
from tests.fakes import Partition

EVERY_LEVEL = ("kvm-3.6", "kvm-3.7", "kvm", "kvm-power8", "papr")
KVM_LEVELS = EVERY_LEVEL[:-1]

REG_VPA, REG_DTL, REG_SLB, DEREG_VPA, DEREG_DTL, DEREG_SLB = 1, 2, 3, 5, 6, 7

VPA, SLB, DTL = 0x2000, 0x3000, 0x4000
"""Where tests put the areas, each in a 4 KiB page of its own."""


def hreg(
    partition: Partition, subfunction: int, gpa: int = 0, *, target: int = 0, caller: int = 0
) -> HcallStatus:
    """H_REGISTER_VPA with a sub-function (IBM bits 16:18) and no other flags."""
    return register_vpa(
        partition.vcpus[caller], partition.find_vcpu, subfunction << 45, target, gpa
    )


def state_size(partition: Partition, gpa: int, size: int, width: int = 4) -> None:
    """Put an area's length where the guest puts it."""
    partition.memory.store_be(gpa + 4, width, size)


def register_areas(partition: Partition, *, dtl: int = 0, slb: bool = False) -> None:
    """Let vcpu 0 ask for a VPA, and for a log of ``dtl`` entries."""
    state_size(partition, VPA, 1024, 2)
    assert hreg(partition, REG_VPA, VPA) == HcallStatus.H_SUCCESS
    if slb:
        state_size(partition, SLB, 64)
        assert hreg(partition, REG_SLB, SLB) == HcallStatus.H_SUCCESS
    if dtl:
        state_size(partition, DTL, dtl * 48)
        assert hreg(partition, REG_DTL, DTL) == HcallStatus.H_SUCCESS


def unregistered(hv: str = "kvm", *, page: int = 4096, vcpus: int = 2) -> Partition:
    """Return a partition without areas."""
    return Partition(hv=hv, hv_page=page, vcpus=vcpus, memory_size=0x40000)


def registered(hv: str = "kvm", *, dtl: int = 0, slb: bool = False, page: int = 4096) -> Partition:
    """Return a partition whose vcpu 0 has asked for its areas."""
    partition = unregistered(hv, page=page)
    register_areas(partition, dtl=dtl, slb=slb)
    return partition


def enter(areas: VcpuAreas, *, stolen: int = 0, tb: int = 0) -> None:
    """A guest entry of no particular interest."""
    areas.enter(Dispatch(tb=tb, pcpu=0, stolen=stolen, pc=0, msr=0))


def stores(partition: Partition) -> list[tuple[int, str]]:
    """Return the hypervisor's stores since the last call, as (gpa, hexadecimal bytes)."""
    writes = [(write.gpa, write.new.hex()) for write in partition.door.writes]
    partition.door.writes.clear()
    return writes
