"""Each guest on QEMU, which shares no line of code with papvmm.

QEMU's TCG sets the shared-processor bit and counts dispatches in a VPA, and writes no log; its
reset always clears the areas. What it cannot show is said where it matters.
"""

import re

import pytest

from tests.guests.consoles import KERNEL_A, RUNS
from tests.guests.images import image
from tests.guests.qemu import run_on_qemu

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.guest)
def test_qemu_runs_a_guest_to_its_end(run):
    console = run_on_qemu(image(run.guest), *run.options)

    assert console == run.console


def test_kernel_a_registers_for_every_cpu_and_reboots():
    """QEMU cannot boot another image at a reset, so the reboot ends the machine here."""
    console = run_on_qemu(image("kernel-a"), "-smp", "2", "-no-reboot")

    assert console == KERNEL_A


def test_crash_kexec_leaves_the_yield_counts_of_both_cpus_counting():
    """Without a reset QEMU goes on counting in the stale VPAs; KVM would also write its log."""
    console = run_on_qemu(image("crash-kexec"), "-smp", "2")

    changed = re.findall(
        r"kernel B: (0x\w+): expected (\w{8})(\w{8}), found (\w{8})(\w{8})", console
    )
    assert [(address, low == found_low) for address, _, low, _, found_low in changed] == [
        ("0x600100", True),
        ("0x604100", True),
    ]
    assert all(int(found, 16) > int(expected, 16) for _, expected, _, found, _ in changed)
    assert console.endswith("kernel B: 2 words changed\n")


def test_hibernate_gives_up_waiting_when_it_is_never_resumed():
    """QEMU writes no log, so none can restart: the guest runs to its end."""
    console = run_on_qemu(image("hibernate"), "-smp", "2", "-append", "rounds=3")

    assert (
        re.sub(r"yield count \d+", "yield count N", console)
        == """\
hibernate: cpu 0: areas registered
hibernate: cpu 1: areas registered
hibernate: round 1: yield count N, dtl_idx 0, memory intact
hibernate: round 2: yield count N, dtl_idx 0, memory intact
hibernate: round 3: yield count N, dtl_idx 0, memory intact
hibernate: 0 of 2 cpus were resumed, memory intact
"""
    )
