"""The on-disk cache of native code: whole, unchanged and made for here, or ignored.

A file is named by the engine that made its content, so another version, or another host
processor, finds nothing. Files are written whole or not at all, and the oldest go when there
are too many.
"""

import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from struct import Struct
from tempfile import NamedTemporaryFile
from typing import Final

MOST_BYTES: Final = 64 << 20
MOST_PARTS: Final = 32
"""Things kept under one name: the oldest go."""
_LENGTH: Final = Struct("<Q")
_DIGEST: Final = sha256().digest_size
_OTHERS_WRITE: Final = 0o022


def cache_directory() -> Path:
    """Return where this user's cache is (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "papvmm"


class DiskStore:
    """A ``CodeStore``, and what fills it, in a directory that nobody but its owner may write.

    ``engine`` says, when something is looked for, for which engine.
    """

    def __init__(
        self, directory: Path, engine: Callable[[], str], most_bytes: int = MOST_BYTES
    ) -> None:
        self._directory: Final = directory
        self._engine: Final = engine
        self._most_bytes: Final = most_bytes

    def load(self, name: str) -> list[bytes]:
        """Return what was added under a name, the latest last; nothing if it isn't intact."""
        if not self._is_private():
            return []
        try:
            content = self._path(name).read_bytes()
        except OSError:
            return []
        digest, content = content[:_DIGEST], content[_DIGEST:]
        return list(_parts(content)) if sha256(content).digest() == digest else []

    def add(self, name: str, part: bytes) -> None:
        """Keep something beside what there is under a name, if there is a place for it."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._is_private():
                parts = [*self.load(name), part][-MOST_PARTS:]
                content = b"".join(_LENGTH.pack(len(one)) + one for one in parts)
                self._write(self._path(name), sha256(content).digest() + content)
                self._trim()
        except OSError:
            return  # a cache that can't be written is one that is empty

    def _write(self, path: Path, content: bytes) -> None:
        with NamedTemporaryFile(dir=self._directory, prefix=".new-", delete=False) as file:
            try:
                file.write(content)
                file.close()
                Path(file.name).replace(path)
            except OSError:
                Path(file.name).unlink(missing_ok=True)
                raise

    def _trim(self) -> None:
        """Remove the oldest files beyond the limit."""
        files = [(entry.stat(), entry.path) for entry in os.scandir(self._directory)]
        files.sort(key=lambda file: file[0].st_mtime, reverse=True)
        total = 0
        for stat, path in files:
            total += stat.st_size
            if total > self._most_bytes:
                Path(path).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._directory / f"{self._engine()}-{name}"

    def _is_private(self) -> bool:
        """Tell whether the directory is the user's own, for nobody else to write."""
        try:
            stat = self._directory.stat()
        except OSError:
            return False
        return stat.st_uid == os.getuid() and not stat.st_mode & _OTHERS_WRITE


def _parts(content: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(content):
        (length,) = _LENGTH.unpack_from(content, start)
        start += _LENGTH.size + length
        yield content[start - length : start]
