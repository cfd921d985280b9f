"""A head start for the compiler on a first run: it gets ready while papvmm itself does."""

from papvmm.engine.native.workshop import INTERPRETER
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import start_early
from papvmm.machine.engine_version import engine_version


def head_start() -> None:
    """Start a compiler's process if nothing has been compiled yet: a guest will need it."""
    if not DiskStore(cache_directory(), engine_version).has(INTERPRETER.name):
        start_early()
