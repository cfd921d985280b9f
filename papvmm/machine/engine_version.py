"""Which engine this is, and on what host: what code in the cache has to be made by and for."""

import platform
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

import papvmm

_SOURCES: Final = ("bits.py", "engine", "isa", "memory", "mmu")
_CPU: Final = ("vendor_id", "model name", "flags", "Features")


@cache
def engine_version() -> str:
    """Return a name for the engine's source text together with the host's processor."""
    digest = sha256(f"{platform.machine()} {'; '.join(_processor())}".encode())
    root = Path(papvmm.__file__).parent
    for name in _SOURCES:
        path = root / name
        for file in sorted(path.rglob("*.py")) if path.is_dir() else (path,):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


def _processor() -> Iterator[str]:
    """Yield what Linux says about the first processor."""
    try:
        first = Path("/proc/cpuinfo").read_text("utf-8").partition("\n\n")[0]
    except OSError:
        return
    for line in first.splitlines():
        if line.partition(":")[0].strip() in _CPU:
            yield line
