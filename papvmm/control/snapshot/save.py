"""Saving a guest: what it is, between two guest entries of every vcpu, into a directory."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from papvmm.control.snapshot.configuration import describe, images
from papvmm.control.snapshot.directory import write_directory
from papvmm.control.snapshot.ram import packed
from papvmm.control.snapshot.state import collect
from papvmm.control.strict_json import Object
from papvmm.errors import BadInput
from papvmm.machine.guest import Guest

RAM = "ram"
HASH_TABLE = "hash_table"
STATE = "state.json"


def save(guest: Guest, directory: Path) -> tuple[str, ...]:
    """Save a guest, which goes on; return what can't be saved, a sentence each.

    BadInput, and no change, if it can't be saved, or not there: only a saved guest is replaced.
    """
    clock = guest.clock
    about: Object = {
        "saved": datetime.now(UTC).isoformat(timespec="seconds"),
        "position": {
            "icount": clock.icount,
            "timebase": clock.ticks,
            "resets": guest.door.generation,
        },
        "machine": describe(guest.config),
    }
    try:
        state = json.dumps(collect(guest), indent=1).encode()
        files: dict[str, Iterable[bytes]] = {STATE: [state], RAM: packed(guest.memory.ram)}
        if not guest.hash_table.is_empty:
            files[HASH_TABLE] = packed(memoryview(guest.hash_table.content))
        files |= {name: [data] for name, data in images(guest.config).items()}
        write_directory(directory, about, files)
    except BadInput as error:
        raise BadInput(f"{directory}: {error}") from None
    return _left_behind(guest)


def _left_behind(guest: Guest) -> tuple[str, ...]:
    level = guest.vcpus[0].areas.level
    registered = any(vcpu.areas.vpa.next_gpa for vcpu in guest.vcpus)
    if level.one_reg or not registered:
        return ()
    return (f"{level.name} has no ONE_REG for the areas: the saved guest has none registered",)
