"""The native code of one guest: op pages, which its vcpus share, and what fills them.

Op pages are keyed by real address and mode. An op record is decoded when execution comes to
it, and becomes an undecoded one again when the bytes it was decoded from are written.
"""

import ctypes
import mmap
from collections.abc import Callable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from papvmm.bits import M64
from papvmm.engine.code_marks import CODE_NATIVE, CODE_NATIVE_NEXT
from papvmm.engine.native import layout
from papvmm.engine.native.executable import Executable
from papvmm.engine.native.interpreter import Handling, Interpreter, unpack
from papvmm.engine.native.regions import Pace, Regions
from papvmm.engine.native.slots import filler
from papvmm.engine.native.workshop import INTERPRETER, Workshop
from papvmm.engine.python.access import fetcher
from papvmm.isa.decode import decode
from papvmm.isa.spec import INSTRUCTIONS
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory

STRIDE: Final = 2 * layout.RECORDS_SIZE
"""Op pages are so far apart, for their alignment and the record that follows."""
OP_PAGES: Final = 1024
"""Op pages at a time; when there are more, all go."""
USUAL_PACE: Final = Pace()
WORDS: Final = 1 << 16
"""Prepared words, at most, in each mode."""
_POINTER: Final = Struct("<Q")
_HEAT: Final = Struct("<I")
_NUMBERS: Final = {instruction: number for number, instruction in enumerate(INSTRUCTIONS)}


class Prepared(NamedTuple):
    """The op record for a word; if it branches within a page, ``near`` by ``displacement``."""

    record: bytes
    near: bytes
    displacement: int | None
    goes_on: bool


class Interpretation:
    """The interpreter in executable memory."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter: Final = interpreter
        self._code: Final = Executable(interpreter.text)
        self._handlings: Final[dict[tuple[object, tuple[int, ...], bool], Handling]] = {}
        self.undecoded: Final = _POINTER.pack(self.address("decode_me"))

    def address(self, name: str) -> int:
        """Return where a function is."""
        return self._code.address + self._interpreter.offsets[name]

    def prepare(self, word: int, mode: int) -> Prepared:
        """Return the op record for a word: the stepper executes what has no handler."""
        problem_state, little = layout.is_problem_state(mode), layout.is_little_endian(mode)
        decoded = decode(word)
        if decoded is None:
            record = self.bare_record("odd")
            return Prepared(record, record, None, goes_on=False)
        key = (decoded.instruction, decoded.statics, problem_state)
        if key not in self._handlings:
            self._learn(_NUMBERS[decoded.instruction])
        handling = self._handlings[key]
        slots = filler(handling.filler)(word)
        record, near = (
            layout.RECORD.pack(self.address(names[little]), *slots, 0, word)
            for names in (handling.far, handling.near)
        )
        return Prepared(record, near, slots[0] if handling.branches else None, handling.goes_on)

    def bare_record(self, name: str) -> bytes:
        """Return an op record that needs nothing but its handler."""
        return layout.RECORD.pack(self.address(name), 0, 0, 0, 0, 0, 0, 0)

    def _learn(self, number: int) -> None:
        """Find the handlings of all variants of an instruction."""
        instruction, numbers = INSTRUCTIONS[number], self._interpreter.variants[number]
        keys = [(s, problem) for s in instruction.variants() for problem in (False, True)]
        for (statics, problem), handling in zip(keys, numbers, strict=True):
            found = self._interpreter.handlings[handling]
            self._handlings[instruction, statics, problem] = found


@lru_cache(maxsize=2)
def interpretation(content: bytes) -> Interpretation:
    """Return an interpreter, ready to run, which the guests of a process share."""
    return Interpretation(unpack(content))


class NativeCode:
    """Op pages of one guest; ``interpretation`` is None until there is an interpreter."""

    def __init__(self, memory: GuestMemory, workshop: Workshop, pace: Pace = USUAL_PACE) -> None:
        self._memory: Final = memory
        self._workshop: Final = workshop
        self.ram_size: Final = memory.size & layout.PAGE_MASK
        """Native code keeps to whole pages of RAM."""
        self._arena: Final = private((OP_PAGES + 1) * STRIDE)
        self._base: Final = address_of(self._arena)
        self._aligned: Final = -self._base % layout.RECORDS_SIZE
        self._table: Final = private(max(8 * layout.MODES * (memory.size // PAGE), PAGE))
        self.table_address: Final = address_of(self._table)
        self.marks_address: Final = address_of(memory.code)
        self._pages: Final[dict[tuple[int, int], int]] = {}
        self._words: Final[list[dict[int, Prepared]]] = [{} for _ in range(layout.MODES)]
        self._fetch: Final = [
            fetcher(little_endian=layout.is_little_endian(mode)) for mode in range(layout.MODES)
        ]
        self._breakpoints: frozenset[int] = frozenset()
        self.on_new_code: Final[list[Callable[[], None]]] = []
        """Called when lines or pages were marked, or op pages went: TLBs may be out of date."""
        self.interpretation: Interpretation | None = None
        self.regions: Final = Regions(memory, workshop, self, pace)
        memory.on_code_write(self.drop)
        kept = workshop.store.load(INTERPRETER.name)
        if kept:
            self._begin(kept[-1])
        else:
            workshop.compiler.submit(INTERPRETER)

    def look_again(self) -> None:
        """Take in what has been compiled."""
        for job, content in self._workshop.compiler.finished():
            if job != INTERPRETER:
                self.regions.take(job, content)
            elif content is not None:
                self._begin(content)

    def _begin(self, content: bytes) -> None:
        """Use an interpreter."""
        self.interpretation = interpretation(content)

    # Op records.

    def supply(self, ra: int, mode: int) -> bool:
        """Make sure that there is an op record for an instruction; False if that is impossible."""
        if ra >= self.ram_size:
            return False
        page = ra & layout.PAGE_MASK
        start = self._pages.get((page, mode))
        if start is None:
            start = self._new_page(page, mode)
        self._decode(ra, mode, start)
        return True

    def avoid(self, breakpoints: set[int]) -> None:
        """Stop at these addresses from now on."""
        if breakpoints != self._breakpoints:
            changed = self._breakpoints ^ breakpoints
            self._breakpoints = frozenset(breakpoints)
            for ra in changed:
                self.drop(ra, 4)

    def drop(self, gpa: int, length: int) -> None:
        """Forget what was derived from these bytes, which have changed."""
        if self.interpretation is None:
            return
        self.regions.drop(gpa, length)
        undecoded = self.interpretation.undecoded
        first, last = gpa // PAGE, (gpa + length - 1) // PAGE
        for (page, _), start in self._pages.items():
            if first <= page // PAGE <= last:
                low, high = max(gpa - page, 0) & ~3, min(gpa + length - page, PAGE)
                for within in range(low, high, 4):
                    offset = start + (within << layout.RECORD_SHIFT)
                    self._arena[offset : offset + 8] = undecoded

    def restore(self, record: int, handler: int) -> None:
        """Give an op record, by its address, its handler back."""
        _POINTER.pack_into(self._arena, record - self._base, handler)

    # What regions need (``OpPages``).

    def looked_up(self, page: int, mode: int, least: int) -> Iterator[int]:
        """Yield the instructions of a page that were looked up so often since the last time."""
        self.supply(page, mode)
        start = self._pages[page, mode]
        records = self._arena[start : start + layout.RECORDS_SIZE]
        for number, record in enumerate(layout.RECORD.iter_unpack(records)):
            if record[-2] >= least:
                _HEAT.pack_into(self._arena, start + number * layout.UNIT + layout.HEAT, 0)
                yield page + 4 * number

    def replace(self, ra: int, mode: int, handler: int, *, again: bool) -> None:
        """Have a region entered at an instruction, perhaps instead of another one."""
        self.supply(ra, mode)
        offset = self._offset(ra, mode)
        if not again:
            below = offset + layout.BELOW
            self._arena[below : below + 8] = self._arena[offset : offset + 8]
        _POINTER.pack_into(self._arena, offset, handler)
        self.announce()

    def reset(self, ra: int, mode: int) -> None:
        """Have an instruction decoded anew."""
        assert self.interpretation is not None
        offset = self._offset(ra, mode)
        below = offset + layout.BELOW
        self._arena[below : below + 8] = _POINTER.pack(0)
        self._arena[offset : offset + 8] = self.interpretation.undecoded

    def has_breakpoint(self, page: int) -> bool:
        """Tell whether execution has to stop somewhere in a page."""
        return any(ea // PAGE == page // PAGE for ea in self._breakpoints)

    def _offset(self, ra: int, mode: int) -> int:
        """Return where in the arena an op record is, which exists."""
        return self._pages[ra & layout.PAGE_MASK, mode] + (ra % PAGE << layout.RECORD_SHIFT)

    def _decode(self, ra: int, mode: int, start: int) -> None:
        """Fill in op records to the end of the basic block or page, or to one that is."""
        interpretation = self.interpretation
        assert interpretation is not None
        ram, code, arena, fetch = (
            self._memory.ram,
            self._memory.code,
            self._arena,
            self._fetch[mode],
        )
        words, page = self._words[mode], ra & layout.PAGE_MASK
        goes_on = True
        while goes_on:
            offset = start + (ra - page << layout.RECORD_SHIFT)
            if arena[offset : offset + 8] != interpretation.undecoded:
                return
            if not code[ra // CODE_LINE] & CODE_NATIVE:
                self._mark(ra // CODE_LINE)
            (word,) = fetch(ram, ra)
            prepared = words.get(word)
            if prepared is None:
                if len(words) == WORDS:
                    words.clear()
                prepared = words[word] = interpretation.prepare(word, mode)
            record = prepared.record
            if ra in self._breakpoints:
                record = interpretation.bare_record("breakpoint")
            elif prepared.displacement is not None and _is_near(ra, prepared.displacement):
                record = prepared.near
            arena[offset : offset + layout.UNIT] = record
            ra += 4
            goes_on = prepared.goes_on and ra % PAGE != 0

    def _mark(self, line: int) -> None:
        """Mark a line that op records are derived from."""
        code = self._memory.code
        code[line] |= CODE_NATIVE
        if line:
            code[line - 1] |= CODE_NATIVE_NEXT
        self.announce()

    def _new_page(self, page: int, mode: int) -> int:
        """Make an op page and return where it is in the arena."""
        interpretation = self.interpretation
        assert interpretation is not None
        if len(self._pages) == OP_PAGES:
            self._forget()
        start = self._pages[page, mode] = self._aligned + len(self._pages) * STRIDE
        fresh = interpretation.bare_record("decode_me") * (PAGE // 4)
        end = start + layout.RECORDS_SIZE
        self._arena[start:end] = fresh
        self._arena[end : end + layout.UNIT] = interpretation.bare_record("next_page")
        self._enter(page, mode, self._base + start)
        return start

    def _enter(self, page: int, mode: int, address: int) -> None:
        """Put an op page's address into the table, or 0."""
        row = page // PAGE * layout.MODES + mode
        _POINTER.pack_into(self._table, _POINTER.size * row, address)

    def _forget(self) -> None:
        """Let go of all op pages, and the regions in them."""
        self.regions.forget()
        for page, mode in self._pages:
            self._enter(page, mode, 0)
        self._pages.clear()
        self.announce()

    def announce(self) -> None:
        """Have TLBs flushed."""
        for listener in self.on_new_code:
            listener()


def _is_near(ra: int, displacement: int) -> bool:
    """Tell whether a branch stays in its page."""
    return (ra + displacement & M64) // PAGE == ra // PAGE


def private(size: int) -> mmap.mmap:
    """Return zeros that take no memory until they are written."""
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def address_of(buffer: bytearray | mmap.mmap) -> int:
    """Return the host address of a buffer, which must live on."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
