"""The interpreter that comes with papvmm: made when that is installed, for hosts of many kinds.

So the first run of a guest need not wait for a compiler. It is used as long as the sources are
those that it was made from. To see that takes longer than to look into the cache, where it is
kept, too. A checkout has none.
"""

import os
from collections.abc import Sequence
from typing import Final

import papvmm
from papvmm.digests import SIZE, sha256
from papvmm.engine.native.workshop import INTERPRETER
from papvmm.machine.code_store import DiskStore
from papvmm.machine.engine_version import sources

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


class ShippedStore:
    """A ``CodeStore`` that has the shipped interpreter where the cache has none yet."""

    def __init__(self, kept: DiskStore, package: str) -> None:
        self._kept: Final = kept
        self._package: Final = package

    def load(self, name: str) -> Sequence[bytes]:
        """Return what was kept under a name, the latest last."""
        kept = self._kept.load(name)
        if kept or name != INTERPRETER.name or not is_able():
            return kept
        shipped = _read(self._package)
        return [] if shipped is None else [shipped]

    def keep(self) -> bool:
        """Keep the shipped interpreter if the cache has none; tell whether it has one then."""
        name = INTERPRETER.name
        if not self._kept.load(name):
            for shipped in self.load(name):
                self._kept.add(name, shipped)
        return bool(self._kept.load(name))


def package_directory() -> str:
    """Return where the package that runs is."""
    return os.path.dirname(papvmm.__file__)


def ship(interpreter: bytes, package: str) -> None:
    """Put an interpreter, made from a package's sources, beside them."""
    with open(os.path.join(package, PLACE), "wb") as file:
        file.write(_digest(package, interpreter) + interpreter)


def _read(package: str) -> bytes | None:
    """Return the shipped interpreter, if it is whole and was made from these sources."""
    try:
        with open(os.path.join(package, PLACE), "rb") as file:
            content = file.read()
    except OSError:
        return None
    digest, interpreter = content[:SIZE], content[SIZE:]
    return interpreter if digest == _digest(package, interpreter) else None


def _digest(package: str, interpreter: bytes) -> bytes:
    digest = sha256(interpreter)
    for source in sources(package):
        with open(source, "rb") as file:
            digest.update(file.read())
    return digest.digest()


def is_able() -> bool:
    """Tell whether the host's processor has all that it takes."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            told = file.read()
    except OSError:
        return False
    flags = next((line for line in told.splitlines() if line.startswith("flags")), "")
    return os.uname().machine == MACHINE and _FEATURES.issubset(flags.split())
