"""Commands that write guest memory into files on the host."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.dump.job import Progress, Wanted
from papvmm.control.effective import read_effective, write_effective
from papvmm.control.memory_file import save_effective, save_physical
from papvmm.control.qmp.schema import BadArgument, Nothing, command
from papvmm.control.strict_json import Json, Object
from papvmm.machine.inputs import Memory
from papvmm.memory.guest_memory import OutOfRange

ELF: Final = "elf"
MOST_READ: Final = 1 << 18
"""Bytes of memory that one answer tells: a millisecond of JSON."""
GPA_OR_EA: Final = "there must be either 'gpa' or 'ea'"


@dataclass(frozen=True, slots=True)
class Dump:
    """What to dump, and where to: ``protocol`` is file:PATH or fd:NAME."""

    paging: bool
    protocol: str
    detach: bool = False
    begin: int | None = None
    length: int | None = None
    format: str = ELF


@dataclass(frozen=True, slots=True)
class MemSave:
    """Effective addresses of a vcpu, and a path."""

    val: int
    size: int
    filename: str
    cpu_index: int = 0


@dataclass(frozen=True, slots=True)
class PmemSave:
    """Guest physical addresses, and a path."""

    val: int
    size: int
    filename: str


@dataclass(frozen=True, slots=True)
class MemoryRead:
    """Which bytes: at a guest physical address, or at an effective one of a vcpu."""

    length: int
    gpa: int | None = None
    ea: int | None = None
    vcpu: int = 0


@dataclass(frozen=True, slots=True)
class MemoryWrite:
    """Where, and which bytes, in hexadecimal."""

    data: str
    gpa: int | None = None
    ea: int | None = None
    vcpu: int = 0


async def memory_read(control: Control, arguments: MemoryRead) -> Json:
    """Return bytes of guest memory, in hexadecimal."""
    if arguments.length > MOST_READ:
        raise BadArgument(f"the argument 'length' must be at most {MOST_READ}")
    if (arguments.gpa is None) == (arguments.ea is None):
        raise BadArgument(GPA_OR_EA)
    if arguments.gpa is not None:
        data = control.machine.guest.memory.read(arguments.gpa, arguments.length)
    else:
        vcpu, ea = control.vcpu(arguments.vcpu), arguments.ea or 0
        data = read_effective(control, vcpu, ea, arguments.length)
    return {"data": data.hex()}


async def memory_write(control: Control, arguments: MemoryWrite) -> Json:
    """Store bytes into guest memory between two entries, whatever the guest may do there."""
    if (arguments.gpa is None) == (arguments.ea is None):
        raise BadArgument(GPA_OR_EA)
    try:
        data = bytes.fromhex(arguments.data)
    except ValueError:
        raise BadArgument("the argument 'data' must be bytes in hexadecimal") from None
    vcpu, guest = control.vcpu(arguments.vcpu), control.machine.guest
    if arguments.gpa is not None and not guest.memory.holds(arguments.gpa, len(data)):
        raise OutOfRange(arguments.gpa, len(data))

    def write() -> None:
        if arguments.gpa is not None:
            guest.take(Memory(arguments.gpa, data))
        else:
            write_effective(control, vcpu, arguments.ea or 0, data)

    await control.machine.between_entries(write)
    return {}


async def dump_guest_memory(control: Control, arguments: Dump) -> Json:
    """Write a core file of the guest, which rests meanwhile."""
    if arguments.format != ELF:
        raise BadArgument(f"the argument 'format' must be '{ELF}'")
    wanted = Wanted(arguments.protocol, arguments.begin, arguments.length, arguments.paging)
    if arguments.detach:
        control.dumps.begin(control.machine, wanted, control.files)
    else:
        await control.dumps.dump(control.machine, wanted, control.files)
    return {}


async def query_dump(control: Control, _arguments: Nothing) -> Json:
    """Tell how the latest dump is getting on."""
    return progress(control.dumps.progress)


def progress(latest: Progress) -> Object:
    """Return what QMP says of a dump."""
    return {"status": latest.status, "completed": latest.completed, "total": latest.total}


async def query_dump_capability(_control: Control, _arguments: Nothing) -> Json:
    """List the formats that dumps may have."""
    return {"formats": [ELF]}


async def memsave(control: Control, arguments: MemSave) -> Json:
    """Write what a vcpu sees at effective addresses."""
    vcpu = control.vcpu(arguments.cpu_index)
    await save_effective(control, vcpu, arguments.val, arguments.size, arguments.filename)
    return {}


async def pmemsave(control: Control, arguments: PmemSave) -> Json:
    """Write guest RAM."""
    await save_physical(control, arguments.val, arguments.size, arguments.filename)
    return {}


MEMORY: Final = (
    command("dump-guest-memory", Dump, dump_guest_memory),
    command("query-dump", Nothing, query_dump, oob=True),
    command("query-dump-guest-memory-capability", Nothing, query_dump_capability, oob=True),
    command("memsave", MemSave, memsave),
    command("pmemsave", PmemSave, pmemsave),
    command("x-papvmm-memory-read", MemoryRead, memory_read),
    command("x-papvmm-memory-write", MemoryWrite, memory_write),
)
