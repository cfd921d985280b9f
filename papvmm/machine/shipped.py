"""The interpreter that comes with papvmm: made when that is installed, for hosts of many kinds.

So the first run of a guest need not wait for a compiler. It is used as long as the sources are
those that it was made from, and kept in the cache from then on. A checkout has none.
"""

import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import papvmm
from papvmm.engine.native.workshop import INTERPRETER
from papvmm.machine.code_store import DiskStore

PLACE: Final = "images/interpreter.code"
"""Where it is, from the package's directory on."""
MACHINE: Final = "x86_64"
PROCESSOR: Final = "x86-64-v3"
"""The hosts that it is for, and LLVM's name for the least of their processors."""
_FEATURES: Final = frozenset(
    ("cx16", "lahf_lm", "popcnt", "pni", "ssse3", "sse4_1", "sse4_2", "abm", "avx", "avx2",
     "bmi1", "bmi2", "f16c", "fma", "movbe")
)  # fmt: skip
"""What Linux calls the instructions of that: processors have had them for ten years."""
_SOURCES: Final = ("bits.py", "engine", "isa", "memory", "mmu")
_DIGEST: Final = sha256().digest_size


class ShippedStore:
    """A ``CodeStore`` that has the shipped interpreter where the cache has none yet."""

    def __init__(self, kept: DiskStore, package: Path) -> None:
        self._kept: Final = kept
        self._package: Final = package

    def load(self, name: str) -> Sequence[bytes]:
        """Return what was kept under a name, the latest last."""
        kept = self._kept.load(name)
        if kept or name != INTERPRETER.name or not is_able():
            return kept
        shipped = _read(self._package)
        if shipped is None:
            return []
        self._kept.add(name, shipped)
        return [shipped]


def package_directory() -> Path:
    """Return where the package that runs is."""
    return Path(papvmm.__file__).parent


def ship(interpreter: bytes, package: Path) -> None:
    """Put an interpreter, made from a package's sources, beside them."""
    (package / PLACE).write_bytes(_digest(package, interpreter) + interpreter)


def _read(package: Path) -> bytes | None:
    """Return the shipped interpreter, if it is whole and was made from these sources."""
    try:
        content = (package / PLACE).read_bytes()
    except OSError:
        return None
    digest, interpreter = content[:_DIGEST], content[_DIGEST:]
    return interpreter if digest == _digest(package, interpreter) else None


def _digest(package: Path, interpreter: bytes) -> bytes:
    digest = sha256(interpreter)
    for name in _SOURCES:
        path = package / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            digest.update(file.read_bytes())
    return digest.digest()


def is_able() -> bool:
    """Tell whether the host's processor has all that it takes."""
    try:
        told = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return False
    flags = next((line for line in told.splitlines() if line.startswith("flags")), "")
    return os.uname().machine == MACHINE and _FEATURES.issubset(flags.split())
