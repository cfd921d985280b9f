"""The machine and the tests' stand-in for it keep the same contract: HcallContext."""

import pytest

from papvmm.isa.state import GPR
from papvmm.machine.builder import build
from papvmm.machine.config import MachineConfig
from papvmm.papr.hcall import Hcall, HcallContext
from papvmm.papr.hcalls import hypercalls
from tests.fakes import Partition


def partition() -> HcallContext:
    return Partition(vcpus=2, memory_size=0x10000)


def machine() -> HcallContext:
    guest = build(MachineConfig(memory_size=0x10000, vcpus=2))
    for vcpu in guest.vcpus:
        vcpu.power_on()
    guest.vcpus[0].start(0x100, r3=0)
    guest.scheduler.add(guest.vcpus[0])
    guest.next_turn()
    return guest


contexts = pytest.mark.parametrize("make", [partition, machine])


@contexts
def test_vcpus_are_found_by_their_ids_and_the_caller_is_one_of_them(make):
    context = make()

    found = [context.find_vcpu(vcpu_id) for vcpu_id in (0, 1, 2, -1, 1 << 63)]

    assert found == [*context.vcpus, None, None, None]
    assert context.caller is context.vcpus[0]


@contexts
def test_the_door_leads_to_the_same_memory_and_clock(make):
    context = make()

    assert context.door.memory is context.memory
    assert context.door.clock is context.clock is context.rtc.clock
    assert context.memory.size == 0x10000


@contexts
def test_keys_that_were_fed_are_what_the_guest_gets(make):
    context = make()
    context.console.feed(b"k")
    context.caller.state.write(GPR, Hcall.H_GET_TERM_CHAR, 3)

    hypercalls().serve(context)

    assert [context.caller.state.read(GPR, index) for index in (3, 4, 5)] == [0, 1, ord("k") << 56]


@contexts
def test_random_numbers_follow_from_the_seed_1(make):
    context, again = make(), make()

    drawn = [context.random.draw(), context.random.draw()]

    assert drawn == [again.random.draw(), again.random.draw()]
    assert drawn[0] != drawn[1]
