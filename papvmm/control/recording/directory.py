"""The directory of a recording: a manifest, the images of the guest, and the log.

The manifest is there when all but the log is whole; the log grows from then on.
"""

import json
import os
import re
import stat
from hashlib import sha256
from pathlib import Path
from typing import Final

from papvmm import __version__
from papvmm.control.recording.recorded import Log
from papvmm.control.recording.recorder import Recorder
from papvmm.control.snapshot.configuration import configuration, describe, images
from papvmm.control.snapshot.members import Members
from papvmm.control.strict_json import NotJson, Object, only_value
from papvmm.errors import BadInput, BadUsage
from papvmm.machine.builder import boot
from papvmm.machine.guest import Guest

MANIFEST: Final = "manifest.json"
LOG: Final = "log"
FORMAT: Final = "papvmm-recording"
SCHEMA: Final = 1
LARGEST_MANIFEST: Final = 1 << 20
MOST_BYTES: Final = 1 << 32
_STORED: Final = re.compile(r"[a-z_0-9]+")
_CREATE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_OWNER_ONLY: Final = 0o600


def record(guest: Guest, directory: Path) -> Recorder:
    """Begin to record a guest that is about to start, into a new directory, or an empty one."""
    files = images(guest.config)
    manifest: Object = {
        "format": FORMAT,
        "schema": SCHEMA,
        "papvmm": __version__,
        "machine": describe(guest.config),
        "files": {
            name: {"bytes": len(data), "sha256": sha256(data).hexdigest()}
            for name, data in files.items()
        },
    }
    try:
        directory.mkdir(exist_ok=True)
        if any(directory.iterdir()):
            raise BadInput(f"{directory} is not empty: choose another directory")
        for name, data in files.items():
            _write(directory / name, data)
        _write(directory / MANIFEST, json.dumps(manifest, indent=2).encode() + b"\n")
        return Recorder(guest, os.open(directory / LOG, _CREATE, _OWNER_ONLY))
    except OSError as error:
        raise BadInput(f"{directory}: can't be recorded into: {error.strerror}") from None


def recorded(directory: Path, accel: str) -> tuple[Guest, Log]:
    """Return the guest that was recorded, about to start, and what the log tells; or BadInput."""
    try:
        manifest = _manifest(directory)
        listed = manifest.member("files")
        files = {name: _listed(directory, name, listed.member(name)) for name in listed.names()}
        guest = boot(configuration(manifest.member("machine"), files, accel))
        return guest, Log(_read(directory / LOG, MOST_BYTES), guest)
    except (BadInput, BadUsage) as error:
        raise BadInput(f"{directory}: {error}") from None


def _write(path: Path, data: bytes) -> None:
    with open(os.open(path, _CREATE, _OWNER_ONLY), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _manifest(directory: Path) -> Members:
    try:
        manifest = Members(only_value(_read(directory / MANIFEST, LARGEST_MANIFEST)), MANIFEST)
    except NotJson as error:
        raise BadInput(f"{MANIFEST} is damaged: {error}") from None
    if manifest.text("format") != FORMAT:
        raise BadInput(f"{MANIFEST} isn't that of a recording")
    version, schema = manifest.text("papvmm"), manifest.number("schema", most=1 << 32)
    if schema != SCHEMA:
        raise BadInput(
            f"recorded by papvmm {version} with schema {schema}; this is papvmm {__version__},"
            f" which reads schema {SCHEMA}"
        )
    return manifest


def _listed(directory: Path, name: str, listed: Members) -> bytes:
    size, digest = listed.number("bytes", most=MOST_BYTES), listed.text("sha256")
    listed.done()
    if not _STORED.fullmatch(name) or name == LOG:
        raise BadInput(f"{MANIFEST} names a file {name!r}")
    data = _read(directory / name, size)
    if len(data) != size or sha256(data).hexdigest() != digest:
        raise BadInput(f"{name} is damaged: it is not the one that was recorded")
    return data


def _read(path: Path, most: int) -> bytes:
    """Return a file's bytes; BadInput if it has more than ``most``, or is no regular file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise BadInput(f"{path.name}: {error.strerror}") from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > most:
        os.close(descriptor)
        raise BadInput(f"{path.name} is no regular file, or longer than it was")
    with open(descriptor, "rb") as file:
        return file.read()
