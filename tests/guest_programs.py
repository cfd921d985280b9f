"""Guests of a few instructions, assembled at address 0x1000 and run by a real machine."""

from papvmm.isa.encode import assemble
from papvmm.machine.builder import build
from papvmm.machine.config import MachineConfig
from papvmm.papr.hcall import Hcall
from papvmm.papr.rtas import RTAS_CALLS

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


def with_a_second_vcpu(guest):
    """Let vcpu 1 of a guest run, too, in a loop of its own; return the guest."""
    place(guest.memory, "addi 11,11,1; addi 11,11,1; b -8", at=0x2000)
    guest.vcpus[1].start(0x2000, 0)
    guest.scheduler.add(guest.vcpus[1])
    return guest


def hcall(token, *args):
    """Return the lines that load small arguments and make a hypercall."""
    loads = [f"li {number},{value}" for number, value in enumerate((token, *args), start=3)]
    return "; ".join((*loads, "sc 1"))


FOREVER = "addi 10,10,1; b -4"
BUFFER = 0x7000


def rtas():
    """Return the lines that make the RTAS call at ``BUFFER``."""
    return f"li 4,{BUFFER}; lis 3,0; ori 3,3,{int(Hcall.H_RTAS)}; sc 1"


def guest_calling(name, *, nargs=0, **config):
    """Return a guest that makes an RTAS call, its arguments being what RAM holds: zeros."""
    token = next(call.token for call in RTAS_CALLS if call.name == name)
    guest = guest_running(f"{rtas()}; {FOREVER}", **config)
    for offset, word in enumerate((token, nargs, 1)):
        guest.memory.store_be(BUFFER + 4 * offset, 4, word)
    return guest
