"""Each guest on papvmm: the same console as on QEMU, and what QEMU cannot show."""

import re

import pytest

from tests.guests.consoles import KERNEL_A, KERNEL_B_INTACT, RUNS, common
from tests.guests.images import image
from tests.guests.papvmm_run import run_on_papvmm

RESET_BY_GUEST = 32
HOST_CRASH = 33
CHANGED = r"kernel B: 0x(\w+): expected (\w{16}), found (\w{16}) in round \d+"

YIELD_COUNT, WAIT_TOTAL, DTL_IDX = 0x100, 0x158, 0x218
VPAS = (0x600000, 0x604000)
LOGS = (range(0x601000, 0x601000 + 85 * 48), range(0x605000, 0x605000 + 85 * 48))


def changed_words(console: str) -> dict[int, tuple[int, int]]:
    """What kernel B expected and found, by address."""
    return {
        int(address, 16): (int(expected, 16), int(found, 16))
        for address, expected, found in re.findall(CHANGED, console)
    }


def reboot(*policy: str) -> str:
    """Kernel A, a reset, kernel B."""
    pair = ("--next-kernel", str(image("kernel-b")), "-smp", "2")
    return run_on_papvmm(image("kernel-a"), *pair, *policy)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.guest)
def test_papvmm_runs_a_guest_as_qemu_does(run):
    console = run_on_papvmm(image(run.guest), *run.options)

    assert common(console) == common(run.console)


def test_the_dispatch_trace_log_has_an_entry_for_every_guest_entry():
    """Dispatch reason 7 and preempt reason 0, the only ones that KVM writes; EE off, ME on."""
    console = run_on_papvmm(image("areas"))

    hcall = (
        r"log: dispatch reason 7, preempt reason 0, processor 0, srr0 0x4\w+, srr1 0x80{11}1000\n"
    )
    assert re.search(rf"log: first entries of at least 4\n({hcall}){{3}}", console)
    assert "log: an entry for each H_CEDE, time base rising\n" in console


@pytest.fixture(scope="module")
def kept():
    """The console of a reboot that keeps the areas."""
    return reboot("--areas-on-reset", "keep")


def test_a_reboot_that_keeps_the_areas_corrupts_the_next_kernel(kept):
    changed = changed_words(kept)

    assert kept.startswith(KERNEL_A)
    fields = {address for vpa in VPAS for address in (vpa + YIELD_COUNT, vpa + WAIT_TOTAL)}
    fields |= {vpa + DTL_IDX for vpa in VPAS}
    assert changed.keys() >= fields
    assert all(any(address in log for log in LOGS) for address in changed.keys() - fields)
    assert re.search(r"kernel B: \d+ words changed\n$", kept)


def test_the_yield_count_of_a_stale_vpa_grows_by_whole_round_trips(kept):
    """The counter is read, added to and stored: the page table entry there drifts upward."""
    changed = changed_words(kept)

    drifts = [found - expected for vpa in VPAS for expected, found in [changed[vpa + YIELD_COUNT]]]
    assert [drift % (2 << 32) for drift in drifts] == [0, 0]
    assert all(drift > 0 for drift in drifts)


def test_a_reboot_that_unregisters_the_areas_leaves_the_next_kernel_alone():
    console = reboot("--areas-on-reset", "unregister")

    assert console == KERNEL_A + KERNEL_B_INTACT


def test_kernel_a_alone_ends_where_its_reboot_shuts_down():
    console = run_on_papvmm(image("kernel-a"), "-smp", "2", "-no-reboot", exit_code=RESET_BY_GUEST)

    assert console == KERNEL_A


def test_a_crash_kexec_corrupts_the_crash_kernel_without_any_reset():
    changed = changed_words(run_on_papvmm(image("crash-kexec"), "-smp", "2"))

    assert changed.keys() >= {vpa + field for vpa in VPAS for field in (YIELD_COUNT, DTL_IDX)}


def test_oops_takes_the_host_of_linux_3_6_down():
    console = run_on_papvmm(image("oops"), "--hv", "kvm-3.6", exit_code=HOST_CRASH)

    assert console == "oops: register a VPA: H_SUCCESS\noops: deregister it\n"


def test_hibernate_gives_up_waiting_when_it_is_never_resumed():
    console = run_on_papvmm(image("hibernate"), "-smp", "2", "-append", "rounds=2")

    assert (
        re.sub(r"(count|dtl_idx) \d+", r"\1 N", console)
        == """\
hibernate: cpu 0: areas registered
hibernate: cpu 1: areas registered
hibernate: round 1: yield count N, dtl_idx N, memory intact
hibernate: round 2: yield count N, dtl_idx N, memory intact
hibernate: 0 of 2 cpus were resumed, memory intact
"""
    )


def test_a_prod_wakes_nobody_on_linux_3_7():
    """It looked at whether the caller had ceded, not the target (fixed in 8464c8842de2)."""
    console = run_on_papvmm(image("smp"), "-smp", "2", "--hv", "kvm-3.7")

    assert "cpu 1: H_PROD: H_SUCCESS, woke by itself\n" in console
