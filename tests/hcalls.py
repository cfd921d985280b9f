"""Hypercalls made through a vcpu's registers, as a guest makes them."""

from papvmm.bits import signed
from papvmm.isa.state import GPR
from papvmm.papr.hcall import Then
from papvmm.papr.hcalls import hypercalls
from tests.fakes import Partition


def call(partition: Partition, token: int, *args: int) -> tuple[int, Then]:
    state = partition.caller.state
    for register, value in enumerate((token, *args), start=3):
        state.write(GPR, value, register)
    then = hypercalls().serve(partition)
    return signed(state.read(GPR, 3), 64), then


def status(partition: Partition, token: int, *args: int) -> int:
    return call(partition, token, *args)[0]


def outputs(partition: Partition, count: int) -> list[int]:
    return [partition.caller.state.read(GPR, 4 + index) for index in range(count)]
