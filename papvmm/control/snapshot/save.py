"""Saving a guest: what it is, between two guest entries of every vcpu, into a directory."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from papvmm.control.snapshot.chain import Position, Save
from papvmm.control.snapshot.configuration import describe, images
from papvmm.control.snapshot.directory import read_manifest, write_directory
from papvmm.control.snapshot.ram import packed, packed_pages
from papvmm.control.snapshot.state import collect
from papvmm.control.strict_json import Json, Object
from papvmm.errors import BadInput, PapvmmError
from papvmm.machine.dirty_pages import Changes
from papvmm.machine.guest import Guest

MOST_SAVES: Final = 16
"""Saves of one chain; the next one has all of RAM again, and those before it are gone."""


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a save: its number in the directory, and what can't be saved, in sentences.

    ``pages`` is how many had changed since the save before; None if it has all of RAM.
    """

    number: int
    pages: int | None
    notes: tuple[str, ...]


class Saves:
    """Saves a guest, more than once: what has not changed is not saved again.

    That goes for the directory of the latest save, as long as nobody else has changed it.
    """

    def __init__(self) -> None:
        self._place: str | None = None
        self._checksum = ""
        self._changes: Changes | None = None

    def save(self, guest: Guest, directory: Path) -> Saved:
        """Save a guest, which goes on; BadInput, and no change, if it can't be saved, or not there.

        Only a saved guest is replaced.
        """
        place = os.path.realpath(directory)
        state = _state(guest, directory)
        before = self._manifest(directory) if place == self._place else None
        self._place, pages = None, self._changed(guest)
        try:
            if before is None or pages is None:
                self._checksum, saved = _save_all(guest, directory, state), Saved(1, None, ())
            else:
                self._checksum, number = _save_changes(guest, directory, state, before, pages)
                saved = Saved(number, len(pages), ())
        except BadInput as error:
            raise BadInput(f"{directory}: {error}") from None
        self._place = place if self._changes else None
        return Saved(saved.number, saved.pages, _left_behind(guest))

    def _changed(self, guest: Guest) -> dict[int, bytes] | None:
        """Return the pages that have changed since the last save; None if the host won't tell."""
        try:
            if self._changes is None:
                self._changes = guest.dirty_pages.subscribe()
            return self._changes.take()
        except PapvmmError:
            return None

    def _manifest(self, directory: Path) -> Object | None:
        """Return the manifest that the next save goes on from, if there is one."""
        try:
            manifest = read_manifest(directory)
        except BadInput:
            return None
        saves = manifest["saves"]
        goes_on = isinstance(saves, list) and len(saves) < MOST_SAVES
        return manifest if goes_on and manifest["checksum"] == self._checksum else None


def save(guest: Guest, directory: Path) -> tuple[str, ...]:
    """Save a guest once, as ``Saves`` does; return what can't be saved, a sentence each."""
    try:
        _save_all(guest, directory, _state(guest, directory))
    except BadInput as error:
        raise BadInput(f"{directory}: {error}") from None
    return _left_behind(guest)


def _state(guest: Guest, directory: Path) -> bytes:
    try:
        return json.dumps(collect(guest), indent=1).encode()
    except BadInput as error:
        raise BadInput(f"{directory}: {error}") from None


def _save_all(guest: Guest, directory: Path, state: bytes) -> str:
    files, entry = _files(guest, "", state, packed(guest.memory.ram))
    files |= {name: [data] for name, data in images(guest.config).items()}
    return write_directory(directory, _about(guest, [entry.describe()]), files)


def _save_changes(
    guest: Guest, directory: Path, state: bytes, before: Object, pages: Iterable[int]
) -> tuple[str, int]:
    saves, kept = before["saves"], before["files"]
    assert isinstance(saves, list)
    assert isinstance(kept, dict)
    number = len(saves) + 1
    layer = packed_pages(guest.memory.ram, sorted(pages))
    files, entry = _files(guest, f"_{number}", state, layer)
    about = _about(guest, [*saves, entry.describe()])
    return write_directory(directory, about, files, kept), number


def _about(guest: Guest, saves: list[Json]) -> Object:
    return {"machine": describe(guest.config), "saves": saves}


def _files(
    guest: Guest, suffix: str, state: bytes, ram: Iterable[bytes]
) -> tuple[dict[str, Iterable[bytes]], Save]:
    """Return the files of a save, by their names in the manifest, and its entry there."""
    clock, table = guest.clock, guest.hash_table
    entry = Save(
        datetime.now(UTC).isoformat(timespec="seconds"),
        Position(clock.icount, clock.ticks, guest.door.generation),
        f"ram{suffix}",
        f"state{suffix}.json",
        None if table.is_empty else f"hash_table{suffix}",
    )
    files = {entry.state: [state], entry.ram: ram}
    if entry.hash_table is not None:
        files[entry.hash_table] = packed(memoryview(table.content))
    return files, entry


def _left_behind(guest: Guest) -> tuple[str, ...]:
    level = guest.vcpus[0].areas.level
    registered = any(vcpu.areas.vpa.next_gpa for vcpu in guest.vcpus)
    if level.one_reg or not registered:
        return ()
    return (f"{level.name} has no ONE_REG for the areas: the saved guest has none registered",)
