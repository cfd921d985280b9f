"""The engines there are, under the names that ``-accel`` takes."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from papvmm.engine.engine import Engine
from papvmm.engine.processor import Processor
from papvmm.engine.python.executor import PythonExecutor
from papvmm.isa.state import ArchState
from papvmm.memory.guest_memory import GuestMemory

EngineMaker: TypeAlias = Callable[[GuestMemory, int], list[Engine]]
"""Makes the engines of so many vcpus of one guest, all registers 0."""


def python_engines(memory: GuestMemory, count: int) -> list[Engine]:
    """Return engines that run guest code in Python."""
    return [Processor(PythonExecutor(ArchState(), memory), memory) for _ in range(count)]


ACCELERATORS: Final[Mapping[str, EngineMaker]] = {"python": python_engines}
