"""Engines with all that the host lends them: a compiler, and a place to keep code."""

from papvmm.engine.accel import ACCELERATORS
from papvmm.engine.engine import Engine
from papvmm.engine.native.workshop import Workshop
from papvmm.isa.versions import Isa
from papvmm.machine.code_store import DiskStore, cache_directory
from papvmm.machine.compiler import CompilerProcess, Tell
from papvmm.machine.engine_version import engine_version
from papvmm.machine.shipped import ShippedStore, package_directory
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable


def make_engines(
    accel: str,
    memory: GuestMemory,
    hash_table: HashTable,
    count: int,
    tell: Tell | None = None,
    *,
    isa: Isa = Isa.V3_0,
    waits: bool = False,
) -> list[Engine]:
    """Return the engines of a guest's vcpus, of the kind that ``-accel`` names.

    ``isa`` is the version of the Power ISA that its processors implement. With ``waits`` the
    guest waits for its compiler: for tests and measurements.
    """
    store = ShippedStore(DiskStore(cache_directory(), engine_version), package_directory())
    workshop = Workshop(CompilerProcess(tell, waits=waits), store)
    return ACCELERATORS[accel](memory, hash_table, count, workshop, isa)
