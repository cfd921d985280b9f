"""The traces of one guest's code, which its vcpus share, and what makes them stale."""

from collections import Counter
from collections.abc import Collection, Iterable
from typing import Final, TypeAlias

from papvmm.engine.code_marks import CODE_HERE, CODE_NEXT
from papvmm.engine.python.traces import Trace
from papvmm.memory.guest_memory import CODE_LINE, GuestMemory

TRACES: Final = 4096
"""Traces kept; when there are more, all go."""

REWRITES: Final = 8
"""A line whose code was dropped so often holds data as well, or code that modifies itself."""

Key: TypeAlias = tuple[int, int, int]
"""Mode, real address and effective address."""


class CodeCache:
    """Traces by mode and address, dropped when a line they were derived from changes."""

    def __init__(self, memory: GuestMemory, *, limit: int = TRACES) -> None:
        self.generation = 0
        """Changes whenever traces are dropped."""
        self.made = 0
        """How many traces have been added."""
        self._limit: Final = limit
        self._code: Final = memory.code
        self._traces: Final[dict[Key, Trace]] = {}
        self._lines: Final[dict[Key, set[int]]] = {}
        self._keys_on: Final[dict[int, set[Key]]] = {}
        self._rewrites: Final[Counter[int]] = Counter()
        memory.on_code_write(self.drop)

    def find(self, key: Key) -> Trace | None:
        """Return the trace that starts there, if there is one."""
        return self._traces.get(key)

    def add(self, key: Key, trace: Trace, addresses: Iterable[int]) -> None:
        """Keep a trace until code at these real addresses is written."""
        if len(self._traces) == self._limit:
            self._forget(list(self._traces))
        if key in self._traces:
            self._forget([key])
        self._traces[key] = trace
        self.made += 1
        self._lines[key] = lines(addresses)
        for line in self._lines[key]:
            self._keys_on.setdefault(line, set()).add(key)
            self._code[line] |= CODE_HERE
            if line:
                self._code[line - 1] |= CODE_NEXT

    def is_rewritten(self, addresses: Iterable[int]) -> bool:
        """Tell whether code there changes too often to be worth compiling."""
        return any(self._rewrites[line] >= REWRITES for line in lines(addresses))

    def drop(self, gpa: int, length: int) -> None:
        """Forget what was derived from these bytes, which have changed."""
        written = range(gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE + 1)
        touched = [line for line in written if line in self._keys_on]
        self._rewrites.update(touched)
        self._forget({key for line in touched for key in self._keys_on[line]})

    def _forget(self, keys: Collection[Key]) -> None:
        for key in keys:
            del self._traces[key]
            for line in self._lines.pop(key):
                self._keys_on[line].discard(key)
                if not self._keys_on[line]:
                    self._unmark(line)
        self.generation += bool(keys)

    def _unmark(self, line: int) -> None:
        del self._keys_on[line]
        self._code[line] &= ~CODE_HERE
        if line:
            self._code[line - 1] &= ~CODE_NEXT


def lines(addresses: Iterable[int]) -> set[int]:
    """Return the lines that instructions at these addresses are on."""
    return {address // CODE_LINE for address in addresses}
