"""The saves in a directory: the first has all of RAM, each further one what has changed since."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from mmap import mmap
from pathlib import Path
from typing import Final

from papvmm.control.snapshot.configuration import configuration
from papvmm.control.snapshot.directory import read_directory
from papvmm.control.snapshot.members import Members
from papvmm.control.snapshot.ram import unpack
from papvmm.control.strict_json import NotJson, Object, only_value
from papvmm.engine.accel import DEFAULT_ACCEL
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.config import MachineConfig
from papvmm.machine.guest import FOREVER

MOST_RESETS: Final = 1 << 32


@dataclass(frozen=True, slots=True)
class Position:
    """Where in its life a guest was saved."""

    icount: int
    timebase: int
    resets: int


@dataclass(frozen=True, slots=True)
class Save:
    """One save: when it was made, and what its files are called in the manifest."""

    saved: str
    position: Position
    ram: str
    state: str
    hash_table: str | None

    def describe(self) -> Object:
        """Return it as the manifest has it."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Chain:
    """A directory of saves, the oldest first, that is whole."""

    config: MachineConfig
    saves: tuple[Save, ...]
    files: Mapping[str, bytes]

    def find(self, number: int | None) -> Save:
        """Return a save by its number, from 1, or the newest; BadInput if there is none."""
        if number is None:
            return self.saves[-1]
        if not 1 <= number <= len(self.saves):
            raise BadInput(f"there is no save {number}: there are {len(self.saves)}")
        return self.saves[number - 1]

    def memory(self, save: Save) -> mmap:
        """Return RAM at a save; BadInput if it is damaged."""
        memory = mmap(-1, self.config.memory_size)

        def write(at: int, data: bytes) -> None:
            memory[at : at + len(data)] = data

        for earlier in self.saves[: self.saves.index(save) + 1]:
            unpack(earlier.ram, self.files[earlier.ram], len(memory), write)
        return memory

    def state(self, save: Save) -> Members:
        """Return everything but RAM at a save; BadInput if it is damaged."""
        try:
            return Members(only_value(self.files[save.state]), save.state)
        except NotJson as error:
            raise BadInput(f"{save.state}: {error}") from None


def read_chain(directory: Path, accel: str = DEFAULT_ACCEL) -> Chain:
    """Return the saves in a directory; BadInput says in one line what is wrong with it."""
    try:
        return _read_chain(directory, accel)
    except (BadInput, BadUsage) as error:
        raise BadInput(f"{directory}: {error}") from None


def _read_chain(directory: Path, accel: str) -> Chain:
    manifest, files = read_directory(directory)
    config = configuration(manifest.member("machine"), files, accel)
    saves = tuple(_save(one, files) for one in manifest.members("saves"))
    if not saves:
        raise BadInput("there is no save")
    return Chain(config, saves, files)


def _save(saved: Members, files: Mapping[str, bytes]) -> Save:
    position = saved.member("position")
    save = Save(
        saved.text("saved"),
        Position(
            position.number("icount", most=FOREVER),
            position.number("timebase", most=FOREVER),
            position.number("resets", most=MOST_RESETS),
        ),
        saved.text("ram"),
        saved.text("state"),
        saved.optional_text("hash_table"),
    )
    position.done()
    saved.done()
    for name in (save.ram, save.state, save.hash_table):
        if name is not None and name not in files:
            raise BadInput(f"there is no {name}")
    return save
