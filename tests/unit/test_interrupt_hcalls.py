"""Interrupts as a server handles them, by hypercalls."""

import pytest

from papvmm.papr.hcall import Hcall
from tests.fakes import Partition
from tests.hcalls import outputs, status

H_SUCCESS, H_PARAMETER = 0, -4


def test_an_ipi_is_offered_accepted_and_ended():
    partition = Partition()
    status(partition, Hcall.H_CPPR, 0xFF)
    statuses = [status(partition, Hcall.H_IPI, 0, 4), status(partition, Hcall.H_IPOLL, 0)]
    polled = outputs(partition, 2)

    statuses.append(status(partition, Hcall.H_XIRR))
    (xirr,) = outputs(partition, 1)
    statuses.append(status(partition, Hcall.H_IPI, 0, 0xFF))
    statuses.append(status(partition, Hcall.H_EOI, xirr))
    status(partition, Hcall.H_IPOLL, 0)

    assert statuses == [H_SUCCESS] * 5
    assert (polled, xirr) == ([0xFF00_0002, 4], 0xFF00_0002)
    assert outputs(partition, 2) == [0xFF00_0000, 0xFF]


def test_h_xirr_x_says_the_time_base_too():
    partition = Partition()
    partition.clock.count = 1_000_000

    status(partition, Hcall.H_XIRR_X)

    assert outputs(partition, 2) == [0, 512_000]


@pytest.mark.parametrize("token", [Hcall.H_IPI, Hcall.H_IPOLL])
def test_a_server_that_is_not_there_is_h_parameter(token):
    assert status(Partition(), token, 2, 4) == H_PARAMETER
