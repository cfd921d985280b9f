"""The Python engine: guest basic blocks as Python functions."""

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.bits import mask, ones
from papvmm.engine.python.lower import Block, BlockFunction
from papvmm.engine.stops import FOREVER, Stop
from papvmm.engine.storage import GuestStorage, finish_helper
from papvmm.isa.decode import decode
from papvmm.isa.ir import PURE
from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import CIA, MSR, NOW, ArchState

LONGEST_BLOCK: Final = 64
_CIA: Final = CIA.offset // 8
_NOW: Final = NOW.offset // 8
_FORMATS: Final = {8: "B", 16: "H", 32: "I", 64: "Q"}
Built: TypeAlias = tuple[BlockFunction, int]
Blocks: TypeAlias = dict[int, Built]


class PythonEngine:
    """Runs one vcpu on a buffer of guest RAM."""

    def __init__(self, state: ArchState, ram: memoryview, *, little_endian: bool) -> None:
        self.state: Final = state
        self._ram: Final = ram
        self._storage: Final = GuestStorage(ram, little_endian=little_endian)
        self._doublewords: Final = state.buffer.cast("Q")
        self._octets: Final = state.buffer.cast("B")
        self._namespace: Final = _namespace("<" if little_endian else ">")
        self._built: Final[tuple[tuple[Blocks, Blocks], ...]] = (({}, {}), ({}, {}))
        """By problem state: blocks, and single instructions for the end of a budget."""

    def run(self, budget: int = FOREVER) -> Stop:
        """Run ``budget`` instructions, or to the first exit."""
        doublewords, octets, ram = self._doublewords, self._octets, self._ram
        blocks, steps = self._blocks_and_steps
        until = doublewords[_NOW] + budget
        while (left := until - doublewords[_NOW]) > 0:
            cia = doublewords[_CIA]
            built = blocks.get(cia) or self._build(blocks, cia, LONGEST_BLOCK)
            if built and built[1] > left:
                built = steps.get(cia) or self._build(steps, cia, 1)
            if built is None:
                return Stop.ILLEGAL
            function, count = built
            code = function(doublewords, octets, ram)
            if not code:
                doublewords[_NOW] += count
                continue
            stop = self._finish(Stop(code), cia, count)
            if stop is Stop.CONTEXT:
                blocks, steps = self._blocks_and_steps
            elif stop:
                return stop
        return Stop.BUDGET

    def _finish(self, stop: Stop, start: int, count: int) -> Stop:
        """Count what a block did before it stopped; execute a helper's instruction."""
        completed = count if stop.completes else (self._doublewords[_CIA] - start) // 4
        self._doublewords[_NOW] += completed
        return finish_helper(self.state, self._storage) if stop is Stop.HELPER else stop

    @property
    def _problem_state(self) -> bool:
        return bool(self.state.read(MSR) & MSR_PR)

    @property
    def _blocks_and_steps(self) -> tuple[Blocks, Blocks]:
        return self._built[self._problem_state]

    def _build(self, cache: Blocks, start: int, longest: int) -> Built | None:
        problem_state = self._problem_state
        block = Block(start)
        while block.is_open and block.count < longest:
            decoded = decode(self._storage.fetch(block.address))
            if decoded is None:
                break
            block.operands = decoded.operands
            block.instruction(
                decoded.instruction.template(decoded.statics, problem_state=problem_state)
            )
        if not block.count:
            return None
        namespace = dict(self._namespace)
        exec(block.source(), namespace)
        function: BlockFunction = namespace["block"]  # type: ignore[assignment]
        cache[start] = function, block.count
        return cache[start]


def _namespace(order: str) -> dict[str, object]:
    """Return what generated blocks may call."""
    reverse = "<" if order == ">" else ">"
    names: dict[str, object] = {
        "sdiv": PURE["sdiv"], "mask": mask, "out_of_range": (struct.error, OverflowError),
    }  # fmt: skip
    for width, letter in _FORMATS.items():
        plain, other = struct.Struct(order + letter), struct.Struct(reverse + letter)
        names[f"load{width}"], names[f"store{width}"] = plain.unpack_from, plain.pack_into
        names[f"loadr{width}"], names[f"storer{width}"] = other.unpack_from, other.pack_into
        names[f"exchange{width}"] = _exchange(plain)
    pair = struct.Struct(order + "QQ")
    names["load128"], names["store128"] = _quadword(pair, high_first=order == ">")
    return names


def _exchange(word: struct.Struct) -> Callable[[memoryview, int, int, int], bool]:
    def exchange(ram: memoryview, ea: int, expected: int, new: int) -> bool:
        if word.unpack_from(ram, ea)[0] != expected:
            return False
        word.pack_into(ram, ea, new)
        return True

    return exchange


def _quadword(
    pair: struct.Struct, *, high_first: bool
) -> tuple[Callable[[memoryview, int], tuple[int]], Callable[[memoryview, int, int], None]]:
    step = 1 if high_first else -1

    def load(ram: memoryview, ea: int) -> tuple[int]:
        high, low = pair.unpack_from(ram, ea)[::step]
        return (high << 64 | low,)

    def store(ram: memoryview, ea: int, value: int) -> None:
        pair.pack_into(ram, ea, *(value >> 64, value & ones(64))[::step])

    return load, store
