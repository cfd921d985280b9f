"""The engines there are, under the names that ``-accel`` takes."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from papvmm.engine.engine import Engine
from papvmm.engine.native.code import NativeCode
from papvmm.engine.native.executor import NativeExecutor
from papvmm.engine.native.workshop import Workshop
from papvmm.engine.processor import Processor
from papvmm.engine.python.on_demand import OnDemand
from papvmm.isa.state import ArchState
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.mmu import Mmu, Tables

EngineMaker: TypeAlias = Callable[[GuestMemory, HashTable, int, Workshop, Isa], list[Engine]]
"""Makes the engines of so many vcpus of one guest, with a version of the ISA; registers are 0."""


def python_engines(
    memory: GuestMemory,
    hash_table: HashTable,
    count: int,
    workshop: Workshop | None = None,  # noqa: ARG001 - an EngineMaker that needs none
    isa: Isa = Isa.V3_0,
) -> list[Engine]:
    """Return engines that run guest code in Python."""
    python, tables = OnDemand(memory, isa), Tables(memory, hash_table)
    mmus = [Mmu(ArchState(), tables) for _ in range(count)]
    return [Processor(python.executor(m.state, set(), set(), m), memory, m, isa) for m in mmus]


def native_engines(
    memory: GuestMemory,
    hash_table: HashTable,
    count: int,
    workshop: Workshop,
    isa: Isa = Isa.V3_0,
) -> list[Engine]:
    """Return engines that run guest code as host code, once there is some."""
    code, python = NativeCode(memory, workshop, isa=isa), OnDemand(memory, isa)
    tables = Tables(memory, hash_table)
    executors = [NativeExecutor(memory, code, python, tables) for _ in range(count)]
    return [Processor(executor, memory, executor.mmu, isa) for executor in executors]


def lockstep_engines(
    memory: GuestMemory,
    hash_table: HashTable,
    count: int,
    workshop: Workshop,
    isa: Isa = Isa.V3_0,
) -> list[Engine]:
    """Return native engines that a Python engine checks at every step."""
    from papvmm.engine.lockstep import Lockstep, Twin  # noqa: PLC0415 - other guests need neither

    twin = Twin(memory)
    checked = native_engines(memory, hash_table, count, workshop, isa)
    followers = [python_engines(twin.memory, hash_table, 1, isa=isa)[0] for _ in checked]
    return [Lockstep(*pair, twin) for pair in zip(checked, followers, strict=True)]


ACCELERATORS: Final[Mapping[str, EngineMaker]] = {
    "native": native_engines,
    "python": python_engines,
    "lockstep": lockstep_engines,
}

DEFAULT_ACCEL: Final = "native"
