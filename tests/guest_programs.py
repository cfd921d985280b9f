"""Guests of a few instructions, assembled at address 0x1000 and run by a real machine."""

from papvmm.isa.encode import assemble
from papvmm.machine.builder import build
from papvmm.machine.config import MachineConfig

ENTRY = 0x1000
MSR_SF = 1 << 63


def place(memory, text, *, at=ENTRY):
    """Assemble the lines of ``text`` (one a line, or separated by semicolons) into RAM."""
    lines = [line for line in text.replace("\n", ";").split(";") if line.strip()]
    for number, line in enumerate(lines):
        memory.store_be(at + 4 * number, 4, assemble(line))


def guest_running(text, **config):
    """Return a guest whose boot vcpu is about to execute ``text``."""
    guest = build(MachineConfig(**{"memory_size": 1 << 20} | config))
    guest.boot()
    place(guest.memory, text)
    guest.vcpus[0].start(ENTRY, 0)
    return guest


def hcall(token, *args):
    """Return the lines that load small arguments and make a hypercall."""
    loads = [f"li {number},{value}" for number, value in enumerate((token, *args), start=3)]
    return "; ".join((*loads, "sc 1"))


FOREVER = "addi 10,10,1; b -4"
