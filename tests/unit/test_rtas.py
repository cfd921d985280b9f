"""RTAS calls as a guest makes them: an argument buffer in RAM, then H_RTAS."""

import struct
from datetime import UTC, datetime

import pytest

from papvmm.devices.vty import VTY_INTERRUPT
from papvmm.isa.msr import MSR_ME, MSR_SF
from papvmm.isa.state import CIA, EXTERNAL, GPR, MSR
from papvmm.papr.hcall import (
    CONTINUE,
    GuestPanic,
    Hcall,
    HcallResult,
    HcallStatus,
    PowerOff,
    Reboot,
    StopSelf,
    Then,
    Wake,
)
from papvmm.papr.hcalls import hypercalls
from papvmm.papr.rtas import RTAS_CALLS
from papvmm.trace.events import RtasDone
from papvmm.vcpu.vcpu import VcpuRunState
from tests.fakes import Partition

BUFFER = 0x3000
UNTOUCHED = 0xEEEE_EEEE
TOKENS = {call.name: call.token for call in RTAS_CALLS}
STOPPED, NOT_STOPPED = 0, 2
SUCCESS, HARDWARE_ERROR, PARAMETER_ERROR = 0, 0xFFFF_FFFF, 0xFFFF_FFFD
JUNE_2006 = int(datetime(2006, 6, 17, 23, 59, 58, tzinfo=UTC).timestamp())


def h_rtas(partition: Partition, buffer: int) -> HcallResult:
    return hypercalls().dispatch(partition, Hcall.H_RTAS, (buffer, *[0] * 8))


def rtas(partition: Partition, name: str, *args: int, nret: int = 1) -> tuple[list[int], Then]:
    """Return the words the call returned, and one past them, and what happens next."""
    words = (TOKENS[name], len(args), nret, *args, *[UNTOUCHED] * (nret + 1))
    partition.memory.write(BUFFER, struct.pack(f">{len(words)}I", *words))
    result = h_rtas(partition, BUFFER)
    assert result.status is HcallStatus.H_SUCCESS
    returned = partition.memory.read(BUFFER + 12 + 4 * len(args), 4 * nret + 4)
    return list(struct.unpack(f">{nret + 1}I", returned)), result.then


def test_tokens_are_those_of_qemu():
    assert {name: hex(token) for name, token in TOKENS.items()} == {
        "display-character": "0x2000",
        "get-time-of-day": "0x2001",
        "set-time-of-day": "0x2002",
        "power-off": "0x2003",
        "system-reboot": "0x2004",
        "query-cpu-stopped-state": "0x2005",
        "start-cpu": "0x2006",
        "stop-self": "0x2007",
        "ibm,set-xive": "0x200a",
        "ibm,get-xive": "0x200b",
        "ibm,int-off": "0x200c",
        "ibm,int-on": "0x200d",
        "nvram-fetch": "0x2012",
        "nvram-store": "0x2013",
        "ibm,os-term": "0x201f",
    }


def test_display_character_shows_the_low_byte():
    partition = Partition()

    answer = rtas(partition, "display-character", 0x1241)

    assert (answer, bytes(partition.said)) == (([SUCCESS, UNTOUCHED], CONTINUE), b"A")


def test_the_date_runs_with_virtual_time():
    partition = Partition(rtc_base=JUNE_2006)
    partition.clock.count = 2_000_000_007

    answer, _ = rtas(partition, "get-time-of-day", nret=8)

    assert answer == [SUCCESS, 2006, 6, 18, 0, 0, 0, 7, UNTOUCHED]


def test_a_date_that_was_set_runs_on_from_there():
    partition = Partition(rtc_base=JUNE_2006)
    partition.clock.count = 5_500_000_000

    answer, _ = rtas(partition, "set-time-of-day", 2024, 2, 28, 23, 59, 59, 0xDEADBEEF)
    partition.clock.count += 1_000_000_001
    now, _ = rtas(partition, "get-time-of-day", nret=8)

    assert answer == [SUCCESS, UNTOUCHED]
    assert now == [SUCCESS, 2024, 2, 29, 0, 0, 0, 1, UNTOUCHED]


@pytest.mark.parametrize(
    "date",
    [
        (2023, 2, 29, 0, 0, 0),
        (2023, 13, 1, 0, 0, 0),
        (2023, 1, 1, 24, 0, 0),
        (1969, 12, 31, 23, 59, 59),
        (10000, 1, 1, 0, 0, 0),
        (0xFFFF_FFFF, 1, 1, 0, 0, 0),
    ],
)
def test_an_impossible_date_is_refused_and_the_clock_keeps_going(date):
    partition = Partition(rtc_base=JUNE_2006)

    answer, _ = rtas(partition, "set-time-of-day", *date, 0)

    assert (answer, partition.rtc.now) == ([PARAMETER_ERROR, UNTOUCHED], JUNE_2006 * 10**9)


def test_the_first_date_there_is_can_be_set():
    partition = Partition(rtc_base=JUNE_2006)

    answer, _ = rtas(partition, "set-time-of-day", 1970, 1, 1, 0, 0, 0, 0)

    assert (answer, partition.rtc.now) == ([SUCCESS, UNTOUCHED], 0)


def test_the_date_stops_at_the_end_of_9999():
    partition = Partition()
    rtas(partition, "set-time-of-day", 9999, 12, 31, 23, 59, 59, 0)
    partition.clock.count += 3_000_000_000

    answer, _ = rtas(partition, "get-time-of-day", nret=8)

    assert answer == [SUCCESS, 9999, 12, 31, 23, 59, 59, 999_999_999, UNTOUCHED]


def test_power_off_and_system_reboot_are_for_the_machine():
    partition = Partition()

    answers = [
        rtas(partition, "power-off", 0xFFFF_FFFF, 0xFFFF_FFFF),
        rtas(partition, "system-reboot"),
    ]

    assert answers == [([SUCCESS, UNTOUCHED], PowerOff()), ([SUCCESS, UNTOUCHED], Reboot())]


def test_start_cpu_starts_a_stopped_vcpu_big_endian_in_real_mode_with_r3():
    partition = Partition()
    other = partition.vcpus[1]
    other.state.write(GPR, 0x55, 7)

    answer = rtas(partition, "start-cpu", 1, 0x4000, 0x1234)

    assert answer == ([SUCCESS, UNTOUCHED], Wake(other))
    assert other.run_state is VcpuRunState.RUNNABLE
    registers = [other.state.read(GPR, index) for index in range(32)]
    assert (other.state.read(CIA), registers) == (0x4000, [0, 0, 0, 0x1234, *[0] * 28])
    assert other.state.read(MSR) == MSR_SF | MSR_ME


def test_start_cpu_fails_for_a_vcpu_that_runs_and_for_nobody():
    partition = Partition()

    answers = [rtas(partition, "start-cpu", vcpu_id, 0x4000, 0)[0] for vcpu_id in (0, 2)]

    assert answers == [[HARDWARE_ERROR, UNTOUCHED], [PARAMETER_ERROR, UNTOUCHED]]


def test_stop_self_gives_no_answer_and_the_vcpu_can_be_started_again():
    partition = Partition()
    partition.caller = partition.vcpus[1]
    partition.caller.start(0x4000, r3=0)

    stopped = rtas(partition, "stop-self")
    partition.caller = partition.vcpus[0]
    state, _ = rtas(partition, "query-cpu-stopped-state", 1, nret=2)
    again, _ = rtas(partition, "start-cpu", 1, 0x4000, 0)

    assert stopped == ([UNTOUCHED, UNTOUCHED], StopSelf())
    assert state == [SUCCESS, STOPPED, UNTOUCHED]
    assert again == [SUCCESS, UNTOUCHED]


def test_query_cpu_stopped_state_tells_started_and_ceded_vcpus_from_stopped_ones():
    partition = Partition(vcpus=3)
    partition.vcpus[1].start(0x4000, r3=0)
    partition.vcpus[1].cede()

    answers = [
        rtas(partition, "query-cpu-stopped-state", vcpu_id, nret=2)[0] for vcpu_id in range(4)
    ]

    assert answers == [
        [SUCCESS, NOT_STOPPED, UNTOUCHED],
        [SUCCESS, NOT_STOPPED, UNTOUCHED],
        [SUCCESS, STOPPED, UNTOUCHED],
        [PARAMETER_ERROR, UNTOUCHED, UNTOUCHED],
    ]


@pytest.mark.parametrize(
    ("gpa", "message"), [(0x2000, "Kernel panic"), (0xFFFC, "Kern"), (0x10000, ""), (1 << 31, "")]
)
def test_os_term_reports_a_panic_with_its_message_as_far_as_there_is_ram(gpa, message):
    partition = Partition()
    text = b"Kernel panic\0"
    partition.memory.write(min(gpa, 0xFFF3), text)
    partition.memory.write(0x10000 - 4, b"Kern")

    answer = rtas(partition, "ibm,os-term", gpa)

    assert answer == ([SUCCESS, UNTOUCHED], GuestPanic(message))


def test_os_term_looks_at_512_bytes_of_a_message():
    partition = Partition()
    partition.memory.write(0x4000, b"x" * 600)

    _, then = rtas(partition, "ibm,os-term", 0x4000)

    assert then == GuestPanic("x" * 512)


def test_a_buffer_may_end_where_ram_ends():
    partition = Partition()
    words = struct.pack(">4I", TOKENS["system-reboot"], 0, 1, UNTOUCHED)
    partition.memory.write(0x10000 - 16, words)

    result = h_rtas(partition, 0x10000 - 16)

    assert result.then == Reboot()
    assert partition.memory.load_be(0x10000 - 4, 4) == SUCCESS


def test_real_mode_ignores_the_first_four_bits_of_the_buffers_address():
    partition = Partition()
    partition.memory.write(BUFFER, struct.pack(">4I", TOKENS["system-reboot"], 0, 1, UNTOUCHED))

    result = h_rtas(partition, 0xC000_0000_0000_0000 | BUFFER)

    assert result.then == Reboot()
    assert partition.memory.load_be(BUFFER + 12, 4) == SUCCESS


def test_an_unknown_token_is_a_parameter_error_twice():
    partition = Partition()
    partition.memory.write(BUFFER, struct.pack(">4I", 0x2FFF, 0, 1, UNTOUCHED))

    result = h_rtas(partition, BUFFER)

    assert result.status is HcallStatus.H_PARAMETER
    assert partition.memory.load_be(BUFFER + 12, 4) == PARAMETER_ERROR


@pytest.mark.parametrize(("nargs", "nret"), [(0, 0), (1, 1), (0, 2), (5, 0)])
def test_a_call_with_other_counts_than_the_services_does_nothing(nargs, nret):
    partition = Partition()
    words = (TOKENS["system-reboot"], nargs, nret, *[UNTOUCHED] * 8)
    partition.memory.write(BUFFER, struct.pack(f">{len(words)}I", *words))

    result = h_rtas(partition, BUFFER)

    after = struct.unpack(">8I", partition.memory.read(BUFFER + 12, 32))
    status_word = [PARAMETER_ERROR][:nret]
    expected = [UNTOUCHED] * nargs + status_word + [UNTOUCHED] * (8 - nargs - len(status_word))
    assert (result, list(after)) == (HcallResult(HcallStatus.H_SUCCESS), expected)


@pytest.mark.parametrize(
    ("buffer", "nargs", "nret"),
    [
        (0xFFF8, 0, 0), (0x10000, 0, 0), (1 << 59, 0, 0),
        (0xFFF0, 0, 2), (0x3000, 0xFFFF_FFFF, 1), (0x3000, 0, 0xFFFF_FFFF),
    ],
)  # fmt: skip
def test_a_buffer_that_is_not_wholly_in_ram_is_refused(buffer, nargs, nret):
    partition = Partition()
    header = struct.pack(">3I", TOKENS["system-reboot"], nargs, nret)
    room = max(0, 0x10000 - buffer)
    partition.memory.write(min(buffer, 0x10000), header[:room])
    before = partition.memory.read(0, 0x10000)

    result = h_rtas(partition, buffer)

    assert result == HcallResult(HcallStatus.H_PARAMETER)
    assert partition.memory.read(0, 0x10000) == before


def test_rtas_stores_go_through_the_door_and_calls_are_traced():
    partition = Partition()
    seen: list[RtasDone] = []
    partition.door.tracer.subscribe(RtasDone, seen.append)

    rtas(partition, "start-cpu", 1, 0x4000, 7)

    write = partition.door.writes[-1]
    assert (write.actor, write.vcpu_id, write.gpa, write.new) == ("rtas", 0, BUFFER + 24, bytes(4))
    assert seen == [RtasDone(0, 0, 0, "start-cpu", (1, 0x4000, 7), (0,))]


def test_a_source_is_routed_and_asked_for():
    partition = Partition()

    routed, _ = rtas(partition, "ibm,set-xive", VTY_INTERRUPT, 1, 5)
    answer, _ = rtas(partition, "ibm,get-xive", VTY_INTERRUPT, nret=3)

    assert (routed, answer) == ([SUCCESS, UNTOUCHED], [SUCCESS, 1, 5, UNTOUCHED])


def test_a_key_interrupts_the_server_that_the_console_is_routed_to():
    partition = Partition()
    partition.xics.set_cppr(1, 0xFF)
    rtas(partition, "ibm,set-xive", VTY_INTERRUPT, 1, 5)

    partition.console.feed(b"k")

    assert [vcpu.state.read(EXTERNAL) for vcpu in partition.vcpus] == [0, 1]


def test_an_interrupt_that_is_off_waits_until_it_is_on():
    partition = Partition()
    partition.xics.set_cppr(0, 0xFF)
    rtas(partition, "ibm,set-xive", VTY_INTERRUPT, 0, 5)
    rtas(partition, "ibm,int-off", VTY_INTERRUPT)
    partition.console.feed(b"k")
    off = partition.caller.state.read(EXTERNAL)

    rtas(partition, "ibm,int-on", VTY_INTERRUPT)

    assert (off, partition.caller.state.read(EXTERNAL)) == (0, 1)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("ibm,set-xive", (0x1234, 0, 5)),
        ("ibm,set-xive", (VTY_INTERRUPT, 7, 5)),
        ("ibm,int-off", (0x1234,)),
        ("ibm,int-on", (0x1234,)),
    ],
)
def test_interrupts_and_servers_that_are_not_there_are_parameter_errors(name, args):
    answer, _ = rtas(Partition(), name, *args)

    assert answer == [PARAMETER_ERROR, UNTOUCHED]


def test_nvram_keeps_what_was_stored():
    partition = Partition()
    partition.memory.write(0x5000, b"kept")

    stored, _ = rtas(partition, "nvram-store", 0xFFFC, 0x5000, 4, nret=2)
    fetched, _ = rtas(partition, "nvram-fetch", 0xFFFC, 0x6000, 4, nret=2)

    assert stored == fetched == [SUCCESS, 4, UNTOUCHED]
    assert partition.memory.read(0x6000, 4) == b"kept"


@pytest.mark.parametrize(
    ("index", "buffer", "length"),
    [(0xFFFD, 0x5000, 4), (0, 0xFFFD, 4), (0, 0x5000, 0x1_0001), (0x1_0001, 0x5000, 0)],
)
@pytest.mark.parametrize("name", ["nvram-store", "nvram-fetch"])
def test_bytes_that_nvram_or_ram_does_not_have_are_a_parameter_error(name, index, buffer, length):
    answer, _ = rtas(Partition(), name, index, buffer, length, nret=2)

    assert answer == [PARAMETER_ERROR, 0, UNTOUCHED]
