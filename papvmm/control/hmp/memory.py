"""The monitor's commands that look at guest memory."""

import asyncio
from typing import Final

from papvmm.control.dump.job import Wanted
from papvmm.control.effective import NotMapped, read_effective
from papvmm.control.hmp.command import Call, HmpCommand, Refusal
from papvmm.control.hmp.expression import evaluate
from papvmm.control.hmp.listing import Order, Read, listing, read_format
from papvmm.control.memory_file import save_effective, save_physical
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import MSR
from papvmm.vcpu.vcpu import Vcpu

LINES_AT_ONCE: Final = 64
"""Lines that are made between two turns of the guest: a millisecond or two."""
RAM: Final = "papvmm.ram"
"""What the monitor calls the one region of guest RAM."""


async def show_effective(call: Call) -> str:
    """Show memory as the vcpu sees it."""

    def read(ea: int, length: int) -> bytes | None:
        try:
            return read_effective(call.control, call.vcpu, ea, length)
        except NotMapped:
            return None

    return await _show(call, read)


async def show_physical(call: Call) -> str:
    """Show guest RAM."""
    memory = call.control.machine.guest.memory

    def read(gpa: int, length: int) -> bytes | None:
        return memory.read(gpa, length) if memory.holds(gpa, length) else None

    return await _show(call, read)


async def _show(call: Call, read: Read) -> str:
    words = call.words
    form = read_format(words[0] if words and words[0].startswith("/") else "/")
    address = " ".join(words[1:] if words and words[0].startswith("/") else words)
    start, lines = evaluate(address, call.vcpu), list[str]()
    for line in listing(form, start, read, _order(call.vcpu)):
        lines.append(line)
        if len(lines) % LINES_AT_ONCE == 0:
            await asyncio.sleep(0)
    return "".join(lines)


def _order(vcpu: Vcpu) -> Order:
    return "little" if vcpu.state.read(MSR) & MSR_LE else "big"


async def memsave(call: Call) -> str:
    """Write what the vcpu sees into a file."""
    ea, size, path = call.exactly(3)
    vcpu = call.vcpu
    await save_effective(call.control, vcpu, evaluate(ea, vcpu), evaluate(size, vcpu), path)
    return ""


async def pmemsave(call: Call) -> str:
    """Write guest RAM into a file."""
    gpa, size, path = call.exactly(3)
    vcpu = call.vcpu
    await save_physical(call.control, evaluate(gpa, vcpu), evaluate(size, vcpu), path)
    return ""


async def dump_guest_memory(call: Call) -> str:
    """Write a core file of the guest, which rests meanwhile."""
    words = [word for word in call.words if word not in ("-d", "-p")]
    if len(words) not in (1, 3) or words[0].startswith("-"):
        raise Refusal("it takes -p, -d or neither, a file, and a begin and a length or neither")
    begin, length = (evaluate(word, call.vcpu) for word in words[1:]) if words[1:] else (None, None)
    wanted, control = Wanted(f"file:{words[0]}", begin, length, "-p" in call.words), call.control
    if "-d" in call.words:
        control.dumps.begin(control.machine, wanted, control.files)
    else:
        await control.dumps.dump(control.machine, wanted, control.files)
    return ""


async def gpa2hva(call: Call) -> str:
    """Tell where in this process's memory a byte of guest RAM is."""
    memory = call.control.machine.guest.memory
    gpa = evaluate(call.rest, call.vcpu)
    if not memory.holds(gpa, 1):
        raise Refusal(f"No memory is mapped at address {gpa:#x}")
    return f"Host virtual address for {gpa:#x} ({RAM}) is {memory.host_address + gpa:#x}\n"


MEMORY: Final = (
    HmpCommand(
        ("dump-guest-memory",), "[-p] [-d] filename [begin length]",
        "dump guest memory into an ELF core file (-p: also by the kernel's addresses, -d: return"
        " at once)", dump_guest_memory,
    ),
    HmpCommand(("memsave",), "addr size file", "save virtual memory to disk", memsave),
    HmpCommand(("pmemsave",), "addr size file", "save physical memory to disk", pmemsave),
    HmpCommand(
        ("x",), "/fmt addr", "virtual memory dump starting at 'addr'", show_effective
    ),
    HmpCommand(
        ("xp",), "/fmt addr", "physical memory dump starting at 'addr'", show_physical
    ),
    HmpCommand(
        ("gpa2hva",), "addr",
        "the host virtual address of a guest physical address", gpa2hva,
    ),
)  # fmt: skip
