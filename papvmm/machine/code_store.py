"""The on-disk cache of native code: whole, unchanged and made for here, or ignored.

A file is named by the engine that made its content, so another version, or another host
processor, finds nothing. Files are written whole or not at all, and those that were not used
for longest go when there are too many.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, flock
from stat import S_ISREG
from struct import Struct
from typing import Final, NamedTuple

from papvmm.digests import SIZE, sha256
from papvmm.errors import BadInput

MOST_BYTES: Final = 64 << 20
MOST_PARTS: Final = 32
"""Things kept under one name: the oldest go."""
UNFINISHED: Final = "unfinished"
"""The kind of a file whose writer is still at it, or was killed."""
WRITING: Final = 3600.0
"""Seconds after which nobody is still writing a file."""
_NEW: Final = ".new-"
_OWN: Final = r"(\w+)-((\w+)[\w-]*)\.code"
_LENGTH: Final = Struct("<Q")
_OTHERS_WRITE: Final = 0o022
_CAREFULLY: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""Neither follow a symbolic link nor wait for whoever is at the other end of a pipe."""


class Kept(NamedTuple):
    """A file of the cache.

    ``engine`` is the version it is for; an unfinished one has none. ``used`` is when it was
    last read or written, in seconds since the epoch.
    """

    path: str
    engine: str
    kind: str
    name: str
    size: int
    used: float


def cache_directory() -> str:
    """Return where this user's cache is (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return os.path.join(base if base.startswith("/") else os.path.expanduser("~/.cache"), "papvmm")


def kept_files(directory: str) -> list[Kept]:
    """Return the cache's own files, the latest used first; BadInput if there is no reading it."""
    try:
        if not os.path.exists(directory):
            return []
        if not is_private(os.stat(directory)):
            raise BadInput(
                f"{directory} is not yours alone, so nothing in it is used:"
                f" see who owns it, or run chmod go-w {directory}"
            )
        return sorted(_own(directory), key=lambda file: file.used, reverse=True)
    except OSError as error:
        raise BadInput(f"{directory}: {error.strerror}") from None


def remove(files: list[Kept]) -> None:
    """Remove files of the cache, unless they have gone; BadInput if the host doesn't let us."""
    for file in files:
        try:
            with suppress(FileNotFoundError):
                os.unlink(file.path)
        except OSError as error:
            raise BadInput(f"{file.path} can't be removed: {error.strerror}") from None


def is_private(stat: os.stat_result) -> bool:
    """Tell whether a file or directory is the user's own, for nobody else to write."""
    return stat.st_uid == os.getuid() and not stat.st_mode & _OTHERS_WRITE


class DiskStore:
    """A ``CodeStore``, and what fills it, in a directory that nobody but its owner may write.

    ``engine`` says, when something is looked for, for which engine.
    """

    def __init__(
        self, directory: str, engine: Callable[[], str], most_bytes: int = MOST_BYTES
    ) -> None:
        self._directory: Final = directory
        self._engine: Final = engine
        self._most_bytes: Final = most_bytes

    def load(self, name: str) -> list[bytes]:
        """Return what was added under a name, the latest last; nothing if it isn't intact."""
        try:
            if not is_private(os.stat(self._directory)):
                return []
            content = self._read(self._path(name))
        except OSError:
            return []
        digest, content = content[:SIZE], content[SIZE:]
        return _parts(content) if sha256(content).digest() == digest else []

    def has(self, name: str) -> bool:
        """Tell whether there is something under a name; it need not be intact."""
        return os.path.exists(self._path(name))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep whoever else asks for this in the directory waiting, if there is a place for it."""
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            yield
            return
        try:
            flock(directory, LOCK_EX)
            yield
        finally:
            os.close(directory)

    def add(self, name: str, part: bytes) -> None:
        """Keep something beside what there is under a name, if there is a place for it."""
        with suppress(OSError):  # a cache that can't be written is one that is empty
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if is_private(os.stat(self._directory)):
                parts = [*self.load(name), part][-MOST_PARTS:]
                content = b"".join(_LENGTH.pack(len(one)) + one for one in parts)
                self._write(self._path(name), sha256(content).digest() + content)
                self._trim()

    def _read(self, path: str) -> bytes:
        """Return what is in a file that is the user's own, and note that it was of use."""
        descriptor = os.open(path, _CAREFULLY)
        try:
            stat = os.fstat(descriptor)
            if not S_ISREG(stat.st_mode) or not is_private(stat) or stat.st_size > self._most_bytes:
                return b""
            os.utime(descriptor)
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def _write(self, path: str, content: bytes) -> None:
        from tempfile import NamedTemporaryFile  # noqa: PLC0415 - most only read

        with NamedTemporaryFile(dir=self._directory, prefix=_NEW, delete=False) as file:
            try:
                file.write(content)
                file.close()
                os.replace(file.name, path)
            except OSError:
                os.unlink(file.name)
                raise

    def _trim(self) -> None:
        """Remove what was not used for longest beyond the limit, and what killed writers left."""
        total, now = 0, time.time()
        for file in sorted(_own(self._directory), key=lambda file: file.used, reverse=True):
            total += file.size
            abandoned = file.kind == UNFINISHED and now - file.used > WRITING
            if total > self._most_bytes or abandoned:
                with suppress(FileNotFoundError):
                    os.unlink(file.path)

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, f"{self._engine()}-{name}.code")


def _own(directory: str) -> Iterator[Kept]:
    """Yield the files of a directory that have the cache's names."""
    with os.scandir(directory) as entries:
        for entry in entries:
            match = re.fullmatch(_OWN, entry.name)
            unfinished = entry.name.startswith(_NEW)
            if (not match and not unfinished) or not entry.is_file(follow_symlinks=False):
                continue
            engine, name, kind = match.groups() if match else ("", entry.name, UNFINISHED)
            with suppress(FileNotFoundError):
                stat = entry.stat(follow_symlinks=False)
                yield Kept(entry.path, engine, kind, name, stat.st_size, stat.st_mtime)


def _parts(content: bytes) -> list[bytes]:
    """Return the parts that content consists of: none if it is none of ours."""
    parts, start = [], 0
    while start + _LENGTH.size <= len(content):
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size + length
        parts.append(content[start - length : start])
    return parts if start == len(content) else []
