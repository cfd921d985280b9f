"""Loading a saved guest: everything is checked, and only a guest that is whole is returned."""

from functools import partial
from pathlib import Path

from papvmm.boot.elf import load_elf
from papvmm.control.snapshot.configuration import configuration
from papvmm.control.snapshot.directory import read_directory
from papvmm.control.snapshot.members import Members
from papvmm.control.snapshot.ram import unpack
from papvmm.control.snapshot.save import HASH_TABLE, RAM, STATE
from papvmm.control.snapshot.state import apply
from papvmm.control.strict_json import NotJson, only_value
from papvmm.engine.accel import DEFAULT_ACCEL
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.builder import build
from papvmm.machine.guest import Guest


def load(directory: Path, accel: str = DEFAULT_ACCEL) -> Guest:
    """Return the guest that was saved in a directory; BadInput says in one line why not."""
    try:
        return _load(directory, accel)
    except (BadInput, BadUsage) as error:
        raise BadInput(f"{directory}: {error}") from None


def _load(directory: Path, accel: str) -> Guest:
    manifest, files = read_directory(directory)
    config = configuration(manifest.member("machine"), files, accel)
    for name in (RAM, STATE):
        if name not in files:
            raise BadInput(f"there is no {name}")
    guest = build(config)
    unpack(RAM, files[RAM], guest.memory.size, guest.memory.write)
    if HASH_TABLE in files:
        table = bytearray(len(guest.hash_table.content))
        unpack(HASH_TABLE, files[HASH_TABLE], len(table), partial(_write, table))
        guest.hash_table.load(table)
    try:
        state = only_value(files[STATE])
    except NotJson as error:
        raise BadInput(f"{STATE}: {error}") from None
    apply(guest, Members(state, STATE))
    kernel = config.kernel_for(guest.door.generation)
    if kernel is not None:
        guest.image = load_elf(kernel.name, kernel.data, config.kernel_addr)
    return guest


def _write(memory: bytearray, at: int, data: bytes) -> None:
    memory[at : at + len(data)] = data
