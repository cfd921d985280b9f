"""The directory of a saved guest: files, and a manifest that names them with their digests.

Whatever happens, a kill or a power failure among it, the directory holds one whole saved guest:
files are complete and on the disk before the manifest names them, and the manifest is replaced
in one step. A new directory is filled next to its place and put there in one step too.
"""

import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Final

from papvmm import __version__
from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import NotJson, Object, only_object
from papvmm.errors import BadInput

MANIFEST: Final = "manifest.json"
LARGEST_MANIFEST: Final = 1 << 20
FORMAT: Final = "papvmm-saved-guest"
SCHEMA: Final = 4
"""Changes with every change of what is in a saved guest."""
OLDEST: Final = 3
"""What is read, too."""

OWNER_ONLY: Final = 0o600
MOST_BYTES: Final = 1 << 40
_PART: Final = ".part"
_STORED: Final = re.compile(r"[a-z_0-9]+-[0-9a-f]{16}(\.json)?|[a-z_0-9.]+\.part")


def write_directory(
    directory: Path,
    about: Object,
    files: Mapping[str, Iterable[bytes]],
    kept: Object | None = None,
) -> str:
    """Save ``files``, and ``about`` in the manifest; BadInput, and no change, if that fails.

    A saved guest that is in the directory is replaced, but for the files ``kept``, as its manifest
    lists them; nothing else is. Return the checksum of the manifest.
    """
    place = Path(os.path.realpath(directory))
    try:
        if _holds_saved_guest(place):
            checksum, named = _fill(place, about, files, kept or {})
            _sweep(place, named)
        elif not place.exists() or (place.is_dir() and not any(place.iterdir())):
            checksum = _create(place, about, files)
        else:
            raise BadInput("there is something that is no saved guest: choose another directory")
    except OSError as error:
        raise BadInput(f"can't be saved: {error.strerror or error}") from None
    return checksum


def read_directory(directory: Path) -> tuple[Members, dict[str, bytes]]:
    """Return what ``write_directory`` wrote, its digests checked; BadInput if it isn't whole."""
    manifest = Members(read_manifest(directory), MANIFEST)
    listed = manifest.member("files")
    files = {name: _read_listed(directory, name, listed.member(name)) for name in listed.names()}
    return manifest, files


# Writing.


def _create(place: Path, about: Object, files: Mapping[str, Iterable[bytes]]) -> str:
    prefix = f".{place.name}."
    for name in os.listdir(place.parent):
        if name.startswith(prefix) and name.endswith(_PART):
            # Whoever filled it was killed.
            shutil.rmtree(place.parent / name, ignore_errors=True)
    beside = Path(tempfile.mkdtemp(prefix=prefix, suffix=_PART, dir=place.parent))
    try:
        checksum, _ = _fill(beside, about, files, {})
        beside.rename(place)
    except BaseException:
        shutil.rmtree(beside)
        raise
    _sync(place.parent)
    return checksum


def _fill(
    place: Path, about: Object, files: Mapping[str, Iterable[bytes]], kept: Object
) -> tuple[str, set[str]]:
    """Write the files and then the manifest; return its checksum, and the names of all files."""
    listed = kept | {name: _store(place, name, pieces) for name, pieces in files.items()}
    manifest: Object = {"format": FORMAT, "schema": SCHEMA, "papvmm": __version__, **about}
    manifest["files"] = dict(listed)
    manifest["checksum"] = _checksum(manifest)
    part = place / f"{MANIFEST}{_PART}"
    _write(part, [_text(manifest)])
    _sync(place)
    part.replace(place / MANIFEST)
    _sync(place)
    names = {str(entry["file"]) for entry in listed.values() if isinstance(entry, dict)}
    return str(manifest["checksum"]), names


def _store(place: Path, name: str, pieces: Iterable[bytes]) -> Object:
    part = place / f"{name}{_PART}"
    size, digest = _write(part, pieces)
    stored = f"{Path(name).stem}-{digest[:16]}{Path(name).suffix}"
    part.replace(place / stored)
    return {"file": stored, "bytes": size, "sha256": digest}


def _write(path: Path, pieces: Iterable[bytes]) -> tuple[int, str]:
    """Write a file through to the disk; return its size and digest."""
    digest, size = sha256(), 0
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size += len(piece)
        file.flush()
        os.fsync(file.fileno())
    return size, digest.hexdigest()


def _sync(place: Path) -> None:
    """Have a directory's names written through to the disk."""
    descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sweep(place: Path, named: set[str]) -> None:
    """Delete what the manifest no longer names; what can't be deleted does no harm."""
    for name in os.listdir(place):
        if _STORED.fullmatch(name) and name not in named:
            with suppress(OSError):
                os.unlink(place / name)


def _checksum(manifest: Object) -> str:
    """Return the checksum of a manifest without one."""
    return sha256(_text(manifest)).hexdigest()


def _text(manifest: Object) -> bytes:
    return json.dumps(manifest, indent=2).encode() + b"\n"


# Reading.


def _holds_saved_guest(place: Path) -> bool:
    try:
        manifest = _parse(_read(place / MANIFEST, LARGEST_MANIFEST))
    except (OSError, BadInput):
        return False
    return manifest.get("format") == FORMAT


def read_manifest(directory: Path) -> Object:
    """Return the manifest, its checksum checked, as one of ``SCHEMA``; BadInput if it is none."""
    try:
        text = _read(directory / MANIFEST, LARGEST_MANIFEST)
    except OSError as error:
        raise BadInput(f"not a saved guest: {MANIFEST}: {error.strerror}") from None
    manifest = _parse(text)
    schema = manifest.get("schema")
    if manifest.get("format") != FORMAT or not isinstance(schema, int):
        raise BadInput(f"{MANIFEST} isn't that of a saved guest")
    if not OLDEST <= schema <= SCHEMA:
        raise BadInput(
            f"saved by papvmm {manifest.get('papvmm')} with schema {schema};"
            f" this is papvmm {__version__}, which reads schemas {OLDEST} to {SCHEMA}"
        )
    rest = {name: value for name, value in manifest.items() if name != "checksum"}
    if _text(rest | {"checksum": _checksum(rest)}) != text:
        raise BadInput(f"{MANIFEST} is damaged: its checksum differs")
    return _as_if_new(manifest) if schema == OLDEST else manifest


def _as_if_new(manifest: Object) -> Object:
    """Return a manifest of schema 3, which has one save, as one of schema 4."""
    files = manifest.get("files")
    table = "hash_table" if isinstance(files, dict) and "hash_table" in files else None
    save: Object = {name: manifest.get(name) for name in ("saved", "position")}
    return manifest | {"saves": [save | {"ram": "ram", "state": "state.json", "hash_table": table}]}


def _parse(text: bytes) -> Object:
    try:
        return only_object(text)
    except NotJson as error:
        raise BadInput(f"{MANIFEST} is damaged: {error}") from None


def _read_listed(directory: Path, name: str, listed: Members) -> bytes:
    stored, size, digest = (
        listed.text("file"),
        listed.number("bytes", most=MOST_BYTES),
        listed.text("sha256"),
    )
    listed.done()
    if not _STORED.fullmatch(stored):
        raise BadInput(f"{MANIFEST} names a file {stored!r}")
    try:
        data = _read(directory / stored, size)
    except OSError as error:
        raise BadInput(f"{stored}: {error.strerror}") from None
    if len(data) != size or sha256(data).hexdigest() != digest:
        raise BadInput(f"{stored} is damaged: it is not the {name} that was saved")
    return data


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes; BadInput if it has more than ``most``, or is no regular file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise BadInput(f"{path.name} is no regular file")
        if found.st_size > most:
            raise BadInput(f"{path.name} is damaged: longer than it was")
        return file.read()
