"""Which engine this is, and on what host: what code in the cache has to be made by and for.

Sources are told apart as Python does for its own cache of bytecode: by size and time of change.
Reading them all would take longer than starting the engine.
"""

import os
from collections.abc import Iterator
from functools import cache
from typing import Final

import papvmm
from papvmm.digests import sha256

_SOURCES: Final = ("bits.py", "values.py", "engine", "isa", "memory", "mmu")
_CPU: Final = ("vendor_id", "model name", "flags", "Features")


@cache
def engine_version() -> str:
    """Return a name for the engine's sources together with the host's processor."""
    root = os.path.dirname(papvmm.__file__)
    told = (papvmm.__version__, os.uname().machine, *_processor(), *_states(root))
    return sha256("; ".join(told).encode()).hexdigest()[:24]


def sources(package: str) -> list[str]:
    """Return the paths of the files of a package that native code is made from, in order."""
    return sorted(path for name in _SOURCES for path in _modules(os.path.join(package, name)))


def _modules(path: str) -> Iterator[str]:
    """Yield a module, or those of a directory and what is in it."""
    if path.endswith(".py"):
        yield path
        return
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.endswith(".py") or (entry.is_dir() and entry.name != "__pycache__"):
                yield from _modules(entry.path)


def _states(root: str) -> Iterator[str]:
    """Yield name, size and time of change of what code is made from."""
    for path in sources(root):
        stat = os.stat(path)
        yield f"{path.removeprefix(root)} {stat.st_size} {stat.st_mtime_ns}"


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
