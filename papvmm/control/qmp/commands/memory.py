"""Commands that write guest memory into files on the host."""

from dataclasses import dataclass
from typing import Final

from papvmm.control.control import Control
from papvmm.control.dump.job import Progress, Wanted
from papvmm.control.memory_file import save_effective, save_physical
from papvmm.control.qmp.schema import BadArgument, Nothing, command
from papvmm.control.strict_json import Json, Object

ELF: Final = "elf"


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


async def dump_guest_memory(control: Control, arguments: Dump) -> Json:
    """Write a core file of the guest, which rests meanwhile."""
    if arguments.paging:
        raise BadArgument("the argument 'paging' must be false: addresses are physical ones")
    if arguments.format != ELF:
        raise BadArgument(f"the argument 'format' must be '{ELF}'")
    wanted = Wanted(arguments.protocol, arguments.begin, arguments.length)
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
)
