"""What guests print, on every hypervisor: recorded on QEMU 7.2, and read against PAPR."""

from typing import NamedTuple


class Run(NamedTuple):
    """A guest started with QEMU's options, and its console to the end."""

    guest: str
    options: tuple[str, ...]
    console: str


def common(console: str) -> str:
    """Leave out what a guest says of the log, which QEMU doesn't write."""
    lines = console.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("log:"))


HELLO = """\
hello from a {order}-endian guest
device tree: 2 cpus, time base 512 MHz
bootargs: one two=3
slept in H_CEDE: 1 decrementer interrupt, time has passed
goodbye
"""
HELLO_OPTIONS = ("-smp", "2", "-append", "one two=3")

HELLO_BE = Run("hello-be", HELLO_OPTIONS, HELLO.format(order="big"))
HELLO_LE = Run("hello-le", HELLO_OPTIONS, HELLO.format(order="little"))

AREAS = Run(
    "areas",
    (),
    """\
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
""",
)

SMP = Run(
    "smp",
    ("-smp", "2"),
    """\
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
""",
)

KERNEL_A_REGISTERS = """\
kernel A: 2 cpus
kernel A: cpu 0: VPA 0x600000 H_SUCCESS, SLB shadow 0x600400 H_SUCCESS, DTL 0x601000 H_SUCCESS
kernel A: cpu 1: VPA 0x604000 H_SUCCESS, SLB shadow 0x604400 H_SUCCESS, DTL 0x605000 H_SUCCESS
"""
KERNEL_A = KERNEL_A_REGISTERS + "kernel A: reboots, with its areas still registered\n"
KERNEL_B_INTACT = """\
kernel B: 2 cpus, page tables from 0x600000 to 0x608000
kernel B: memory intact
"""

KERNEL_B = Run("kernel-b", ("-smp", "2"), KERNEL_B_INTACT)

CRASH_KEXEC_CURED = Run(
    "crash-kexec",
    ("-smp", "2", "-append", "cure"),
    KERNEL_A_REGISTERS
    + """\
kernel A: crashes into kernel B, with its areas still registered
kernel B: cpu 0: deregister DTL H_SUCCESS, SLB shadow H_SUCCESS, VPA H_SUCCESS
kernel B: cpu 1: deregister DTL H_SUCCESS, SLB shadow H_SUCCESS, VPA H_SUCCESS
"""
    + KERNEL_B_INTACT,
)

OOPS = Run(
    "oops",
    (),
    """\
oops: register a VPA: H_SUCCESS
oops: deregister it
oops: H_SUCCESS, and the host is still there
""",
)

RUNS = (HELLO_BE, HELLO_LE, AREAS, SMP, KERNEL_B, CRASH_KEXEC_CURED, OOPS)
