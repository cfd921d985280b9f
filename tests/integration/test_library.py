"""``from papvmm import Machine``: the synchronous face, as the README shows it."""

import errno
from importlib.resources import files

import pytest

from papvmm import Machine
from papvmm.errors import BadInput, BadUsage
from papvmm.isa.encode import assemble
from papvmm.kvmapi.registers import OneRegError
from papvmm.machine.outcome import HostCrashed, Paused, PoweredOff, VcpuCrashed

IMAGES = files("papvmm").joinpath("images")
LITTLE_ENDIAN = 1 << 63 | 1
COUNTDOWN = ("li 3,5", "li 4,0", "add 4,4,3", "addi 3,3,-1", "cmpdi 3,0", "bne -12", "nop")


def little_endian(*lines, memory="1M"):
    """Return a machine with a little-endian program at address 0, ready to run."""
    machine = Machine(memory=memory)
    image = b"".join(assemble(line).to_bytes(4, "little") for line in lines)
    machine.memory.write(0, image.ljust(128 << 10, b"\0"))
    machine.vcpus[0].msr = LITTLE_ENDIAN
    return machine


def test_a_program_runs_up_to_a_given_pc_and_not_through_it():
    machine = little_endian(*COUNTDOWN)

    outcome = machine.run(max_instructions=20_000, until_pc=24)

    assert outcome == Paused("breakpoint")
    assert machine.vcpus[0].pc == 24
    assert machine.vcpus[0].gpr[4] == 5 + 4 + 3 + 2 + 1
    assert machine.icount == 2 + 5 * 4


def test_a_pc_right_behind_a_hypercall_is_reached():
    machine = little_endian("li 3,0xE8", "li 4,0", "sc 1", "nop", "nop")

    assert machine.run(until_pc=12) == Paused("breakpoint")
    assert machine.vcpus[0].pc == 12


def test_a_run_until_where_it_already_is_does_nothing():
    machine = little_endian(*COUNTDOWN)

    assert machine.run(until_pc=0) == Paused("breakpoint")
    assert machine.icount == 0


def test_a_limit_stops_after_exactly_that_many_instructions():
    machine = little_endian(*COUNTDOWN)

    assert machine.run(max_instructions=7, until_pc=24) == Paused("limit")
    assert machine.icount == 7


def test_a_pc_that_is_reached_is_no_breakpoint_afterwards():
    machine = little_endian(*COUNTDOWN)
    machine.run(until_pc=8)

    machine.run(max_instructions=12)

    assert machine.icount == 2 + 12


def test_steps_go_one_instruction_at_a_time():
    machine = little_endian(*COUNTDOWN)

    trail = []
    for _ in range(7):
        machine.step()
        trail.append(machine.vcpus[0].pc)

    assert trail == [4, 8, 12, 16, 20, 8, 12]


def test_registers_are_ints_both_ways():
    vcpu = Machine(memory="1M").vcpus[0]
    vcpu.gpr[31] = -1
    vcpu.lr, vcpu.ctr, vcpu.pc = 0x1234, 2**64 + 5, 0x40
    vcpu.cr, vcpu.xer = 0x8765_4321, 0xE00C_0005

    assert vcpu.gpr[31] == 2**64 - 1
    assert (vcpu.lr, vcpu.ctr, vcpu.pc) == (0x1234, 5, 0x40)
    assert (vcpu.cr, vcpu.xer) == (0x8765_4321, 0xE00C_0005)
    assert len(vcpu.gpr) == 32
    with pytest.raises(IndexError):
        vcpu.gpr[32] = 0


def test_an_image_boots_and_prints():
    machine = Machine(memory="16M")
    machine.load(IMAGES / "hello-le.elf")

    assert machine.run() == PoweredOff()
    assert machine.output.startswith(b"hello from a little-endian guest\n")


def test_one_reg_works_by_name_and_by_id():
    machine = Machine(memory="1M")
    machine.one_reg_set(0, "VPA_ADDR", 0x8000)
    machine.one_reg_set(0, "KVM_REG_PPC_VPA_DTL", 0x9000, 100)

    assert machine.one_reg_get(0, 0x1030_0000_0000_0082) == (0x8000,)
    assert machine.one_reg_get(0, "VPA_DTL") == (0x9000, 96)
    with pytest.raises(OneRegError) as refused:
        machine.one_reg_set(0, "VPA_ADDR", 0)
    assert refused.value.errno == errno.EINVAL


def test_a_register_of_two_doublewords_is_set_by_two_numbers_or_by_what_was_got():
    machine = Machine(memory="1M", smp=2)
    for vcpu in (0, 1):
        machine.one_reg_set(vcpu, "VPA_ADDR", 0x8000)
    machine.one_reg_set(0, "VPA_DTL", 0x9000, 480)

    machine.one_reg_set(1, "VPA_DTL", machine.one_reg_get(0, "VPA_DTL"))

    assert machine.one_reg_get(1, 0x1040000000000084) == (0x9000, 480)


def test_listeners_see_hypercalls_entries_and_hypervisor_writes_until_they_leave():
    machine = little_endian("li 3,0xE8", "li 4,0", "sc 1", "b -12")
    machine.one_reg_set(0, "VPA_ADDR", 0x30000)
    calls, entries, writes = [], [], []
    leave = machine.on_hypercall(calls.append)
    machine.on_entry(entries.append)
    machine.on_hv_write(writes.append)

    machine.run(max_instructions=5)
    leave()
    machine.run(max_instructions=4)

    assert [(call.name, call.args[0], call.status) for call in calls] == [("H_PROD", 0, 0)]
    assert len(entries) == 3
    assert [(w.gpa, w.field) for w in writes[:2]] == [
        (0x30009, "lppaca.old_status"), (0x30100, "lppaca.yield_count"),
    ]  # fmt: skip
    assert all(write.registration.door == "ONE_REG" for write in writes)


def test_a_crash_of_the_host_is_an_outcome_like_any_other():
    machine = Machine(memory="16M", hv="kvm-3.6")
    machine.load(IMAGES / "oops.elf")

    outcome = machine.run(max_instructions=1_000_000)

    assert isinstance(outcome, HostCrashed)
    assert "kvm-3.6 initialised the VPA of vcpu 0 after it was unregistered" in outcome.why


def test_a_crash_says_where():
    machine = little_endian("tdi 31,0,0")
    machine.memory.write(0x700, bytes(4))

    outcome = machine.run(max_instructions=100)

    assert isinstance(outcome, VcpuCrashed)
    assert outcome.cia == 0x700


def test_what_can_not_be_built_or_loaded_is_one_line():
    with pytest.raises(BadUsage, match="is no memory size"):
        Machine(memory="much")
    with pytest.raises(BadInput, match="no hypervisor level"):
        Machine(memory="1M", hv="xen")
    with pytest.raises(BadInput, match="is not an ELF file"):
        Machine(memory="1M").load(__file__)
