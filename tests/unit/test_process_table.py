"""H_REGISTER_PROC_TBL: what it leaves in the registers of every vcpu."""

import pytest

from papvmm.isa.state import LPCR, PROCESS_TABLE
from tests.fakes import Partition
from tests.hcalls import status

H_SUCCESS, H_PARAMETER, H_P2, H_P3, H_P4 = 0, -4, -55, -56, -57
H_REGISTER_PROC_TBL = 0x37C
UPRT, HR, GTSE = 1 << 22, 1 << 20, 1 << 10


def process_tables(partition):
    return [
        (vcpu.state.read(LPCR) & (UPRT | HR | GTSE), vcpu.state.read(PROCESS_TABLE))
        for vcpu in partition.vcpus
    ]


def test_a_process_table_is_every_vcpus_and_outlives_their_start():
    partition = Partition()

    assert status(partition, H_REGISTER_PROC_TBL, 0x1D, 0x1E00_0000, 0, 0xC) == H_SUCCESS

    partition.vcpus[1].start(0x100, r3=0)
    assert process_tables(partition) == [(UPRT | HR | GTSE, 0x1E00_000C)] * 2


def test_a_guest_can_leave_invalidation_to_its_hypervisor_and_drop_its_table():
    partition = Partition()
    steps = []

    for flags in (0x1C, 0x05, 0x14, 0x10):
        assert status(partition, H_REGISTER_PROC_TBL, flags, 0x1000, 0, 0) == H_SUCCESS
        steps.append(process_tables(partition)[0])

    assert steps == [(UPRT | HR, 0x1000), (UPRT | HR | GTSE, 0x1000), (UPRT | HR, 0), (0, 0)]


@pytest.mark.parametrize(
    ("args", "answer"),
    [
        ((0x20, 0x1000, 0, 0), H_PARAMETER),
        ((0x1E, 0x1000, 0, 0), H_PARAMETER),
        ((0x18, 0x1000, 0, 0), H_PARAMETER),
        ((0x04, 0x1000, 0, 0), H_PARAMETER),
        ((0x1C, 0x1800, 0, 0), H_P2),
        ((0x1C, 1 << 60, 0, 0), H_P2),
        ((0x1C, 0x1000, 1, 0), H_P3),
        ((0x1C, 0x1000, 0, 25), H_P4),
    ],
)
def test_a_process_table_that_cannot_be_is_refused(args, answer):
    partition = Partition()

    assert status(partition, H_REGISTER_PROC_TBL, *args) == answer

    assert process_tables(partition) == [(0, 0)] * 2
