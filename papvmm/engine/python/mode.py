"""What the Python engine derives from code that one vcpu runs in one mode."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeAlias

from papvmm.engine.python.access import Address, fetcher
from papvmm.engine.python.code_cache import Key
from papvmm.engine.python.handlers import Operation, operation
from papvmm.engine.python.pages import Pages
from papvmm.engine.python.traces import Step, Trace
from papvmm.engine.stops import FOREVER
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_IR, MSR_LE, MSR_PR, MSR_SF
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu.space import PAGE_SHIFT

MODE_BITS: Final = MSR_SF | MSR_LE | MSR_PR | MSR_IR
"""What of the MSR the meaning of code depends on; MSR[DR] is as MSR[IR] here."""

PAGED: Final = 1 << 64
"""Stands beside these for data being looked up by page in real mode, too."""

WORDS: Final = 1 << 16
"""Prepared words, addresses watched for heat, and traces at hand, in each mode."""


def _never(*_: object) -> int:
    raise AssertionError("longer than any budget")


NO_TRACE: Final = Trace(_never, 1 << 100, frozenset(), {})
"""Stands for code that is not worth a trace, or has a breakpoint in it: longer than any budget."""

FetchAt: TypeAlias = Callable[[int], tuple[int]]


class Words:
    """What words mean with one byte order, privilege, width of addresses, and translation.

    ``isa`` is the version of the Power ISA that the processor implements.
    """

    def __init__(self, key: int, isa: Isa) -> None:
        self.key: Final = key
        self._isa: Final = isa
        self.little_endian: Final = bool(key & MSR_LE)
        self.addressing: Final = Address.PAGED if key & (MSR_IR | PAGED) else Address.REAL
        self.operations: Final[dict[int, Operation]] = {}

    def understand(self, word: int) -> tuple[Decoded, Template] | None:
        """Return what a word means, or None if it is no instruction."""
        decoded = decode(word, self._isa)
        if decoded is None:
            return None
        template = decoded.instruction.template(
            decoded.statics,
            problem_state=bool(self.key & MSR_PR),
            sf=bool(self.key & MSR_SF),
            isa=self._isa,
        )
        return decoded, template

    def prepare(self, word: int) -> Operation | None:
        """Return what executes a word, or None if it is no instruction."""
        understood = self.understand(word)
        if understood is None:
            return None
        if len(self.operations) == WORDS:
            self.operations.clear()
        prepared = operation(
            *understood, addressing=self.addressing, little_endian=self.little_endian
        )
        self.operations[word] = prepared
        return prepared


class Mode:
    """The code that is at effective addresses, all at once or in one context (``space``)."""

    def __init__(self, words: Words, memory: GuestMemory, space: Pages | None) -> None:
        self.words: Final = words
        self.space: Final = space
        fetch = fetcher(little_endian=words.little_endian)
        self.fetch: Final[FetchAt] = (
            partial(fetch, memory.ram) if space is None else _fetch_from(space, fetch)
        )
        self.heat: Final[dict[int, int]] = {}
        self.traces: Final[dict[int, Trace]] = {}
        self._generation = 0 if space is None else space.generation

    def look_again(self) -> None:
        """Let go of traces if a page of code may be another one than before."""
        if self.space is not None and self._generation != self.space.generation:
            self._generation = self.space.generation
            self.forget()

    def real(self, ea: int) -> int:
        """Return the real address of an instruction that has been executed."""
        if self.space is None:
            return ea
        return self.space.real[ea >> PAGE_SHIFT] | ea & PAGE - 1

    def knows(self, ea: int) -> bool:
        """Tell whether an instruction there can be fetched at once."""
        return self.space is None or ea >> PAGE_SHIFT in self.space.reads

    def pages(self, steps: Iterable[Step]) -> dict[int, int]:
        """Return where the pages of these instructions are, if that may change."""
        if self.space is None:
            return {}
        numbers = {step.cia >> PAGE_SHIFT for step in steps}
        return {number: self.space.real[number] for number in numbers}

    def key(self, ea: int) -> Key:
        """Return what a trace that begins there is cached under."""
        return (self.words.key, self.real(ea), ea)

    def holds(self, trace: Trace) -> bool:
        """Tell whether a trace's pages are the ones it was made from."""
        return self.space is None or trace.pages.items() <= self.space.real.items()

    def keep(self, cia: int, trace: Trace) -> None:
        """Run this trace whenever execution comes to ``cia``."""
        if len(self.traces) == WORDS:
            self.forget()
        self.traces[cia] = trace
        if trace is NO_TRACE:
            self.heat[cia] = -FOREVER

    def forget(self) -> None:
        """Let go of all traces."""
        for cia, trace in self.traces.items():
            if trace is NO_TRACE:
                self.heat[cia] = 0
        self.traces.clear()

    def warm(self, cia: int) -> int:
        """Count that code was branched to."""
        if len(self.heat) == WORDS:
            self.heat.clear()
        heat = self.heat[cia] = self.heat.get(cia, 0) + 1
        return heat


def _fetch_from(space: Pages, fetch: Callable[[memoryview, int], tuple[int]]) -> FetchAt:
    pages = space.reads

    def fetch_at(cia: int) -> tuple[int]:
        return fetch(pages[cia >> PAGE_SHIFT], cia & PAGE - 1)

    return fetch_at
