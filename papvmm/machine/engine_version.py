"""Which engine this is, and on what host: what code in the cache has to be made by and for.

Sources are told apart as Python does for its own cache of bytecode: by size and time of change.
Reading them all would take longer than starting the engine.
"""

import os
from collections.abc import Iterator
from functools import cache
from glob import glob
from hashlib import sha256
from typing import Final

import papvmm

_SOURCES: Final = ("bits.py", "engine/**/*.py", "isa/**/*.py", "memory/*.py", "mmu/*.py")
_CPU: Final = ("vendor_id", "model name", "flags", "Features")


@cache
def engine_version() -> str:
    """Return a name for the engine's sources together with the host's processor."""
    root = os.path.dirname(papvmm.__file__)
    told = (papvmm.__version__, os.uname().machine, *_processor(), *_sources(root))
    return sha256("; ".join(told).encode()).hexdigest()[:24]


def _sources(root: str) -> Iterator[str]:
    """Yield name, size and time of change of what code is made from."""
    for source in _SOURCES:
        for path in sorted(glob(source, root_dir=root, recursive=True)):
            stat = os.stat(os.path.join(root, path))
            yield f"{path} {stat.st_size} {stat.st_mtime_ns}"


def _processor() -> Iterator[str]:
    """Yield what Linux says about the first processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            first = file.read().partition("\n\n")[0]
    except OSError:
        return
    for line in first.splitlines():
        if line.partition(":")[0].strip() in _CPU:
            yield line
