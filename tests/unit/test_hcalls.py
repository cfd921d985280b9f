"""Hypercalls as the guest sees them: registers before, registers and RAM after."""

import pytest

from papvmm.devices.random_source import RandomSource
from papvmm.isa.msr import MSR_EE
from papvmm.isa.state import (
    CELLS,
    GPR,
    LPCR,
    LPCR_AIL,
    LPCR_ILE,
    LPCR_LD,
    MSR,
    SPRG0,
)
from papvmm.papr.hcall import CONTINUE, Cede, Hcall, HypercallTable, Wake, YieldTo
from papvmm.papr.hcalls import splpar
from papvmm.trace.events import HcallDone
from papvmm.vcpu.vcpu import VcpuRunState
from papvmm.vpa.areas import Dispatch
from tests.fakes import Partition
from tests.hcalls import call, outputs, status

H_SUCCESS, H_HARDWARE, H_FUNCTION, H_PARAMETER, H_P2, H_P3, H_P4 = 0, -1, -2, -4, -55, -56, -57
H_UNSUPPORTED_FLAG = -256
VTY = 0x71000000
BAD_PAGES = ((0x1001, 0x2000), (0x1000, 0x2800), (0x10000, 0x2000), (0x1000, 0x10000))


def registers(partition: Partition) -> dict[str, list[int]]:
    read = partition.caller.state.read
    return {
        cell.name: [read(cell, index) for index in range(cell.count)] for cell in CELLS.values()
    }


def test_a_hypercall_nobody_knows_answers_h_function_and_goes_on():
    assert call(Partition(), 0x2A4) == (H_FUNCTION, CONTINUE)


def test_a_token_that_two_modules_claim_is_refused():
    with pytest.raises(ValueError, match="H_CEDE has two handlers"):
        HypercallTable([splpar.HANDLERS, splpar.HANDLERS])


def test_a_hypercall_preserves_every_register_that_is_not_an_output():
    partition = Partition()
    for cell in CELLS.values():
        partition.caller.state.write(cell, 0x0123_4567_89AB_CDEF)
    for register in range(32):
        partition.caller.state.write(GPR, 0x1111_0000 + register, register)
    expected = registers(partition)
    expected["gpr"][3:7] = [H_SUCCESS, 0, 0, 0]

    call(partition, Hcall.H_GET_TERM_CHAR, 0)

    assert registers(partition) == expected


def test_hypercalls_are_traced_with_papr_names_arguments_and_answers():
    partition = Partition()
    seen: list[HcallDone] = []
    partition.door.tracer.subscribe(HcallDone, seen.append)
    partition.clock.count = 77

    call(partition, Hcall.H_PROD, 9)
    call(partition, 0x39C)

    assert [(event.name, event.args[0], event.status) for event in seen] == [
        ("H_PROD", 9, H_PARAMETER), ("0x39c", 9, H_FUNCTION),
    ]  # fmt: skip
    assert (seen[0].vcpu_id, seen[0].icount, len(seen[0].args)) == (0, 77, 9)


@pytest.mark.parametrize(
    ("unit", "length", "said"),
    [(0, 10, b"hello worl"), (VTY, 16, b"hello world!!!!!"), (0, 0, b"")],
)
def test_put_term_char_shows_the_bytes_most_significant_first(unit, length, said):
    partition = Partition()

    answer = status(
        partition, Hcall.H_PUT_TERM_CHAR, unit, length, 0x68656C6C6F20776F, 0x726C642121212121
    )

    assert (answer, bytes(partition.said)) == (H_SUCCESS, said)


@pytest.mark.parametrize(("unit", "length"), [(0, 17), (1, 1), (VTY + 1, 1), (0, 1 << 63)])
def test_put_term_char_refuses_other_units_and_more_than_16_characters(unit, length):
    partition = Partition()

    answer = status(partition, Hcall.H_PUT_TERM_CHAR, unit, length, 0, 0)

    assert (answer, bytes(partition.said)) == (H_PARAMETER, b"")


def test_get_term_char_hands_over_16_keys_a_call_in_the_order_typed():
    partition = Partition()
    partition.console.feed(b"0123456789abcdefXY")

    answers = [
        (status(partition, Hcall.H_GET_TERM_CHAR, VTY), outputs(partition, 3)) for _ in range(3)
    ]

    assert answers == [
        (H_SUCCESS, [16, 0x3031323334353637, 0x3839616263646566]),
        (H_SUCCESS, [2, 0x5859000000000000, 0]),
        (H_SUCCESS, [0, 0, 0]),
    ]


def test_get_term_char_of_another_unit_is_a_parameter_error():
    assert status(Partition(), Hcall.H_GET_TERM_CHAR, 3) == H_PARAMETER


def test_cede_enables_interrupts_and_waits():
    partition = Partition()

    answer = call(partition, Hcall.H_CEDE)

    assert answer == (H_SUCCESS, Cede())
    assert partition.caller.run_state is VcpuRunState.CEDED
    assert partition.caller.state.read(MSR) & MSR_EE


def test_a_prod_before_the_cede_makes_it_return_at_once_and_only_once():
    partition = Partition()
    call(partition, Hcall.H_PROD, 0)

    first, second = call(partition, Hcall.H_CEDE)[1], call(partition, Hcall.H_CEDE)[1]

    assert (first, second) == (CONTINUE, Cede())


def test_a_prod_wakes_a_ceded_vcpu_and_is_kept_for_its_next_cede():
    """KVM, measured on Linux 6.1: reference/vpa.md section 12; PAPR would use the prod up."""
    partition = Partition()
    other = partition.vcpus[1]
    other.start(0x200, r3=0)
    other.cede()

    answer = call(partition, Hcall.H_PROD, 1)

    assert answer == (H_SUCCESS, Wake(other))
    assert other.run_state is VcpuRunState.RUNNABLE
    assert not other.cede()


def test_a_prod_does_not_start_a_stopped_vcpu():
    partition = Partition()

    answer = call(partition, Hcall.H_PROD, 1)

    assert answer == (H_SUCCESS, CONTINUE)
    assert partition.vcpus[1].run_state is VcpuRunState.STOPPED


@pytest.mark.parametrize("hv", ["kvm-3.6", "kvm-3.7"])
def test_a_prod_before_linux_4_11_wakes_nobody_but_is_kept(hv):
    """reference/vpa.md section 8: KVM looked at the caller's ceded flag (fixed in v4.11)."""
    partition = Partition(hv=hv)
    other = partition.vcpus[1]
    other.start(0x200, r3=0)
    other.cede()

    answer = call(partition, Hcall.H_PROD, 1)

    assert (answer, other.run_state) == ((H_SUCCESS, CONTINUE), VcpuRunState.CEDED)
    assert other.prodded


def test_a_prod_is_used_up_by_the_wake_in_papr():
    partition = Partition(hv="papr")
    other = partition.vcpus[1]
    other.start(0x200, r3=0)
    other.cede()

    call(partition, Hcall.H_PROD, 1)

    assert other.run_state is VcpuRunState.RUNNABLE
    assert other.cede()


@pytest.mark.parametrize("target", [2, (1 << 32) + 2, (1 << 64) - 1])
def test_a_prod_of_nobody_is_a_parameter_error(target):
    assert status(Partition(), Hcall.H_PROD, target) == H_PARAMETER


@pytest.mark.parametrize(("hv", "expected"), [("kvm", H_SUCCESS), ("papr", H_PARAMETER)])
def test_kvm_looks_at_32_bits_of_a_processor_number(hv, expected):
    partition = Partition(hv=hv)
    number = (1 << 32) + 1

    answers = [status(partition, hcall, number, 0) for hcall in (Hcall.H_PROD, Hcall.H_CONFER)]

    assert answers == [expected, expected]


def with_yield_count(hv: str, count: int | None) -> Partition:
    """Return a partition whose vcpu 1 has a VPA with this yield count, or none."""
    partition = Partition(hv=hv)
    if count is not None:
        partition.memory.store_be(0x2004, 2, 640)
        partition.caller = partition.vcpus[1]
        call(partition, Hcall.H_REGISTER_VPA, 1 << 45, 1, 0x2000)
        partition.vcpus[1].areas.enter(Dispatch(tb=0, pcpu=0, stolen=0, pc=0, msr=0))
        partition.memory.store_be(0x2100, 4, count)
        partition.caller = partition.vcpus[0]
    return partition


@pytest.mark.parametrize(
    ("hv", "count", "seen", "gives"),
    [
        ("kvm", 7, 7, True),
        ("kvm", 8, 8, True),
        ("kvm", 7, 5, False),
        ("kvm", 7, (1 << 32) + 7, False),
        ("kvm", None, 0, True),
        ("kvm", None, 1, False),
        ("kvm-3.7", 7, 7, False),
        ("papr", 7, 7, True),
        ("papr", 9, 9, True),
        ("papr", 8, 8, False),
        ("papr", 7, 5, False),
        ("papr", None, 0, False),
    ],
)
def test_confer_gives_its_turn_to_a_vcpu_that_stood_still(hv, count, seen, gives):
    partition = with_yield_count(hv, count)

    answer = call(partition, Hcall.H_CONFER, 1, seen)

    assert answer == (H_SUCCESS, YieldTo(partition.vcpus[1]) if gives else CONTINUE)


@pytest.mark.parametrize(
    ("hv", "target", "expected"),
    [
        ("kvm", (1 << 64) - 1, H_SUCCESS),
        ("kvm", 2, H_PARAMETER),
        ("kvm-3.7", 2, H_SUCCESS),
        ("papr", (1 << 64) - 1, H_SUCCESS),
        ("papr", 2, H_PARAMETER),
    ],
)
def test_confer_to_anybody_succeeds_and_to_nobody_is_a_parameter_error(hv, target, expected):
    assert call(Partition(hv=hv), Hcall.H_CONFER, target, 0) == (expected, CONTINUE)


def test_set_mode_sets_the_interrupt_endianness_of_every_vcpu_started_or_not():
    partition = Partition(vcpus=3)

    answers = [status(partition, Hcall.H_SET_MODE, 1, 4, 0, 0)]
    little = [vcpu.state.read(LPCR) for vcpu in partition.vcpus]
    answers.append(status(partition, Hcall.H_SET_MODE, 0, 4, 0, 0))
    big = [vcpu.state.read(LPCR) for vcpu in partition.vcpus]

    assert answers == [H_SUCCESS, H_SUCCESS]
    assert (little, big) == ([LPCR_LD | LPCR_ILE] * 3, [LPCR_LD] * 3)


def test_set_mode_3_moves_interrupts_taken_with_translation_on():
    partition = Partition()

    answers = [status(partition, Hcall.H_SET_MODE, 3, 3, 0, 0)]
    relocated = partition.vcpus[1].state.read(LPCR)
    answers.append(status(partition, Hcall.H_SET_MODE, 0, 3, 0, 0))
    back = partition.vcpus[1].state.read(LPCR)

    assert answers == [H_SUCCESS, H_SUCCESS]
    assert (relocated, back) == (LPCR_LD | LPCR_AIL, LPCR_LD)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        ((0, 0, 0, 0), H_P2),
        ((0, 1, 0x1000, 0), H_P2),
        ((0, 5, 0, 0), H_P2),
        ((1, 4, 1, 0), H_P3),
        ((1, 4, 0, 1), H_P4),
        ((2, 4, 0, 0), H_UNSUPPORTED_FLAG),
        ((1, 3, 0, 0), H_UNSUPPORTED_FLAG),
        ((2, 3, 0, 0), H_UNSUPPORTED_FLAG),
    ],
)
def test_set_mode_refuses_what_it_does_not_know_and_changes_nothing(args, expected):
    partition = Partition()
    before = partition.caller.state.read(LPCR)

    answer = status(partition, Hcall.H_SET_MODE, *args)

    assert (answer, partition.caller.state.read(LPCR)) == (expected, before)


def test_set_dabr_answers_that_a_power9_has_none():
    assert status(Partition(), Hcall.H_SET_DABR, 0x1000) == H_HARDWARE


def test_set_sprg0_sets_the_register_of_the_caller_only():
    partition = Partition()

    answer = status(partition, Hcall.H_SET_SPRG0, 0xCAFE_F00D_DEAD_BEEF)

    values = [vcpu.state.read(SPRG0) for vcpu in partition.vcpus]
    assert (answer, values) == (H_SUCCESS, [0xCAFE_F00D_DEAD_BEEF, 0])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(1 << 14, b"\x55"), (1 << 15, b"\0"), (3 << 14, b"\x55"), (3 << 22, b"\xaa")],
)
def test_page_init_copies_rather_than_zeroes(flags, expected):
    partition = Partition()
    partition.memory.write(0x1000, b"\xaa" * 0x1000)
    partition.memory.write(0x2000, b"\x55" * 0x1000)

    answer = status(partition, Hcall.H_PAGE_INIT, flags, 0x1000, 0x2000)

    assert (answer, partition.memory.read(0x1000, 0x1000)) == (H_SUCCESS, expected * 0x1000)


@pytest.mark.parametrize(("destination", "source"), BAD_PAGES)
def test_page_init_refuses_what_is_no_page_of_ram(destination, source):
    partition = Partition()

    answer = status(partition, Hcall.H_PAGE_INIT, 1 << 14, destination, source)

    assert (answer, partition.door.count) == (H_PARAMETER, 0)


def test_page_init_ignores_the_source_when_it_zeroes_and_refuses_unknown_flags():
    partition = Partition()

    answers = [
        status(partition, Hcall.H_PAGE_INIT, flags, 0x1000, 0x2001)
        for flags in (1 << 15, 1 << 15 | 1)
    ]

    assert answers == [H_SUCCESS, H_PARAMETER]


def test_page_init_is_on_record_as_the_hypervisors_store():
    partition = Partition()

    status(partition, Hcall.H_PAGE_INIT, 1 << 15, 0x1000, 0)

    write = partition.door.writes[-1]
    assert (write.actor, write.vcpu_id, write.gpa, len(write.new)) == ("H_PAGE_INIT", 0, 4096, 4096)


def test_random_follows_splitmix64():
    """The numbers Rosetta Code lists for SplitMix64 with this seed."""
    partition = Partition()
    partition.random = RandomSource(1234567)

    answers = [(status(partition, Hcall.H_RANDOM), *outputs(partition, 1)) for _ in range(3)]

    assert answers == [
        (H_SUCCESS, 6457827717110365317),
        (H_SUCCESS, 3203168211198807973),
        (H_SUCCESS, 9817491932198370423),
    ]


def test_the_processor_needs_no_flushes():
    partition = Partition()

    assert status(partition, Hcall.H_GET_CPU_CHARACTERISTICS) == H_SUCCESS
    assert outputs(partition, 2) == [0, 0]


@pytest.mark.parametrize(("flags", "processor"), [(1, 0), (1, 1), (2, 0)])
def test_a_processor_is_in_node_0_whether_virtual_or_physical(flags, processor):
    partition = Partition()

    assert status(partition, Hcall.H_HOME_NODE_ASSOCIATIVITY, flags, processor) == H_SUCCESS
    assert outputs(partition, 6) == [processor, *[(1 << 64) - 1] * 5]


@pytest.mark.parametrize(
    ("flags", "processor", "expected"),
    [(1, 2, H_P2), (2, 1, H_P2), (0, 0, H_FUNCTION), (3, 0, H_FUNCTION), (4, 0, H_FUNCTION)],
)
def test_a_processor_that_is_not_there_has_no_home(flags, processor, expected):
    assert status(Partition(), Hcall.H_HOME_NODE_ASSOCIATIVITY, flags, processor) == expected
