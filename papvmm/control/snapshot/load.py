"""Loading a saved guest: everything is checked, and only a guest that is whole is returned."""

import re
from pathlib import Path

from papvmm.boot.elf import load_elf
from papvmm.control.snapshot.chain import Chain, read_chain
from papvmm.control.snapshot.members import Members
from papvmm.control.snapshot.ram import unpack
from papvmm.control.snapshot.state import apply
from papvmm.engine.accel import DEFAULT_ACCEL
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.builder import build
from papvmm.machine.guest import Guest


def named_save(text: str) -> tuple[Path, int | None]:
    """Read ``DIR`` or ``DIR@NUMBER``: the directory, and the save's number if one is given."""
    match = re.fullmatch(r"(.+)@(\d{1,9})", text)
    if match is None or Path(text).exists():
        return Path(text), None
    return Path(match[1]), int(match[2])


def load(directory: Path, accel: str = DEFAULT_ACCEL, number: int | None = None) -> Guest:
    """Return the guest that was saved in a directory; BadInput says in one line why not.

    ``number`` says which of the saves there, from 1: the newest if it is None.
    """
    chain = read_chain(directory, accel)
    try:
        return _load(chain, number)
    except (BadInput, BadUsage) as error:
        raise BadInput(f"{directory}: {error}") from None


def _load(chain: Chain, number: int | None) -> Guest:
    save, config = chain.find(number), chain.config
    guest = build(config)
    for earlier in chain.saves[: chain.saves.index(save) + 1]:
        unpack(earlier.ram, chain.files[earlier.ram], guest.memory.size, guest.memory.write)
    if save.hash_table is not None:
        table = bytearray(len(guest.hash_table.content))

        def write(at: int, run: bytes) -> None:
            table[at : at + len(run)] = run

        unpack(save.hash_table, chain.files[save.hash_table], len(table), write)
        guest.hash_table.load(table)
    load_state(guest, chain.state(save))
    return guest


def load_state(guest: Guest, state: Members) -> None:
    """Make a guest that has not started, its RAM loaded, what it was; BadInput if it can't be."""
    apply(guest, state)
    kernel = guest.config.kernel_for(guest.door.generation)
    if kernel is not None:
        guest.image = load_elf(kernel.name, kernel.data, guest.config.kernel_addr)
