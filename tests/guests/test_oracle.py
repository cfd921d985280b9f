"""Each guest on QEMU, which shares no line of code with papvmm.

QEMU's TCG sets the shared-processor bit and counts dispatches in a VPA, and writes no log; its
reset always clears the areas. What it cannot show is said where it matters.
"""

import re

import pytest

from tests.guests.images import image
from tests.guests.qemu import run_on_qemu

pytestmark = pytest.mark.oracle

KERNEL_A = """\
kernel A: 2 cpus
kernel A: cpu 0: VPA 0x600000 H_SUCCESS, SLB shadow 0x600400 H_SUCCESS, DTL 0x601000 H_SUCCESS
kernel A: cpu 1: VPA 0x604000 H_SUCCESS, SLB shadow 0x604400 H_SUCCESS, DTL 0x605000 H_SUCCESS
"""


@pytest.mark.parametrize(("name", "order"), [("hello-be", "big"), ("hello-le", "little")])
def test_hello_tells_its_byte_order_its_tree_and_wakes_from_h_cede(name, order):
    console = run_on_qemu(image(name), "-smp", "2", "-append", "one two=3")

    assert (
        console
        == f"""\
hello from a {order}-endian guest
device tree: 2 cpus, time base 512 MHz
bootargs: one two=3
slept in H_CEDE: 1 decrementer interrupt, time has passed
goodbye
"""
    )


def test_areas_are_refused_registered_counted_and_let_go():
    console = run_on_qemu(image("areas"))

    assert (
        console
        == """\
register a DTL before the VPA: H_RESOURCE
register an SLB shadow before the VPA: H_RESOURCE
register nothing (sub-function 0): H_PARAMETER
register a VPA off a cache line: H_PARAMETER
register a VPA beyond memory: H_PARAMETER
register a VPA of 639 bytes: H_PARAMETER
register a VPA across a page: H_PARAMETER
register a VPA of no vcpu: H_PARAMETER
deregister a VPA that is not there: H_SUCCESS
register the VPA: H_SUCCESS
register the SLB shadow: H_SUCCESS
register the DTL: H_SUCCESS
register a DTL of 47 bytes: H_PARAMETER
shared processor: yes
H_CEDE: yield count has grown and even
H_CEDE: yield count has grown and even
H_CEDE: yield count has grown and even
H_CEDE: yield count has grown and even
log: not written by this hypervisor
deregister the VPA first: H_RESOURCE
deregister the SLB shadow: H_SUCCESS
deregister the VPA before the DTL: H_RESOURCE
deregister the DTL: H_SUCCESS
deregister the VPA: H_SUCCESS
H_CEDE: nothing written
"""
    )


def test_smp_starts_wakes_and_stops_its_cpus():
    console = run_on_qemu(image("smp"), "-smp", "2")

    assert (
        console
        == """\
smp: 2 cpus
cpu 1: stopped
cpu 1: VPA registered by cpu 0: H_SUCCESS
cpu 1: start-cpu 0, not stopped, its VPA shared and even
cpu 1: start-cpu while it runs: refused
cpu 0: VPA registered by cpu 1: H_SUCCESS, shared and even
H_CONFER to no vcpu: H_PARAMETER
H_CONFER to cpu 1, count of long ago: H_SUCCESS
H_CONFER to everyone: came back
cpu 1: ceded, yield count odd
cpu 1: H_PROD: H_SUCCESS, woken
cpu 1: stopped itself
cpu 1: start-cpu again: 0
cpu 1: stopped itself
smp: 2 cpus added up to 4000
"""
    )


def test_kernel_a_registers_for_every_cpu_and_reboots():
    """QEMU cannot boot another image at a reset, so the reboot ends the machine here."""
    console = run_on_qemu(image("kernel-a"), "-smp", "2", "-no-reboot")

    assert console == KERNEL_A + "kernel A: reboots, with its areas still registered\n"


def test_kernel_b_finds_its_memory_intact_when_nobody_was_there_before():
    console = run_on_qemu(image("kernel-b"), "-smp", "2")

    assert (
        console
        == """\
kernel B: 2 cpus, page tables from 0x600000 to 0x608000
kernel B: memory intact
"""
    )


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


def test_crash_kexec_is_cured_by_deregistering():
    console = run_on_qemu(image("crash-kexec"), "-smp", "2", "-append", "cure")

    assert (
        console
        == KERNEL_A
        + """\
kernel A: crashes into kernel B, with its areas still registered
kernel B: cpu 0: deregister DTL H_SUCCESS, SLB shadow H_SUCCESS, VPA H_SUCCESS
kernel B: cpu 1: deregister DTL H_SUCCESS, SLB shadow H_SUCCESS, VPA H_SUCCESS
kernel B: 2 cpus, page tables from 0x600000 to 0x608000
kernel B: memory intact
"""
    )


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


def test_oops_harms_no_other_hypervisor():
    console = run_on_qemu(image("oops"))

    assert (
        console
        == """\
oops: register a VPA: H_SUCCESS
oops: deregister it
oops: H_SUCCESS, and the host is still there
"""
    )
