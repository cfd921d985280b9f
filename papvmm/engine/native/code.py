"""The native code of one guest: op pages, which its vcpus share, and the regions in them.

Op pages are keyed by real address and mode. Native code makes one when execution comes to a
page, and an op record when it comes to an instruction; the record becomes an undecoded one
again when the bytes it was decoded from are written.
"""

import ctypes
import mmap
from collections.abc import Callable, Collection
from struct import Struct
from typing import Final

from papvmm.engine.code_marks import CODE_NATIVE, CODE_REGION
from papvmm.engine.native import layout
from papvmm.engine.native.interpretation import Interpretation, interpretation
from papvmm.engine.native.region_job import LOOKED_UP, MET, REGION, UNMET
from papvmm.engine.native.regions import Pace, Regions
from papvmm.engine.native.starter import EVERYTHING, part
from papvmm.engine.native.workshop import INTERPRETER, STARTER, Job, Workshop
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory

OP_PAGES: Final = 2048
"""Op pages at a time; when there are more, all go."""
NEAR: Final = 1 << 16
"""Bytes between a page and others that a region there may be on, too."""
STARTERS: Final = 3
"""As many are asked for, one after another, before the whole interpreter is there.

The last one is for everything, which takes longest.
"""
NATIVE: Final = CODE_NATIVE | CODE_REGION
USUAL_PACE: Final = Pace()
_POINTER: Final = Struct("<Q")
_HOME: Final = Struct("<QQ")
_NEW_PAGE: Final = ctypes.CFUNCTYPE(
    ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint64
)


class NativeCode:
    """Op pages of one guest; ``interpretation`` is None until there is an interpreter."""

    def __init__(
        self,
        memory: GuestMemory,
        workshop: Workshop,
        pace: Pace = USUAL_PACE,
        isa: Isa = Isa.V3_0,
    ) -> None:
        self._memory: Final = memory
        self._workshop: Final = workshop
        self.ram_size: Final = memory.size & layout.PAGE_MASK
        """Native code keeps to whole pages of RAM."""
        self._arena: Final = private((OP_PAGES + 1) * layout.STRIDE)
        self._base: Final = address_of(self._arena)
        self._first: Final = self._base + -self._base % layout.RECORDS_SIZE
        self._table: Final = private(max(8 * layout.MODES * (memory.size // PAGE), PAGE))
        self._shared: Final = private(layout.SHARED_SIZE)
        self.shared_address: Final = address_of(self._shared)
        self.marks_address: Final = address_of(memory.code)
        self._breakpoints: Final[dict[int, frozenset[int]]] = {}
        """Those of each vcpu that has any, by the address of its buffer."""
        self._listed: mmap.mmap | None = None
        self.interpretation: Interpretation | None = None
        self.regions: Final = Regions(memory, workshop, self, pace, isa)
        self._share(layout.FRESH, self._first)
        self._share(layout.FRESH_END, self._first + OP_PAGES * layout.STRIDE)
        self._share(layout.OP_PAGES, address_of(self._table))
        self._share(layout.ISA, isa)
        self._list_breakpoints(frozenset())
        self.announce(layout.UNTRUE)
        memory.on_code_write(self.drop)
        self.on_interpreter: Final[list[Callable[[Interpretation], None]]] = []
        """Called when there is a new interpreter: the old one is not to be used any more."""
        self._request = b""
        self._starters = 0
        """What a starter was asked for with, and how many were."""
        self._is_asked = False
        """Whether a starter is being made."""
        self.is_whole = False
        """Whether the interpreter in use is no starter."""
        kept = workshop.store.load(INTERPRETER.name)
        if kept:
            self._begin(kept[-1], is_whole=True)
        else:
            workshop.compiler.submit(INTERPRETER)

    def look_again(self) -> None:
        """Take in what has been compiled."""
        for job, content in self._workshop.compiler.finished():
            if job.kind == REGION:
                self.regions.take(job, content)
            elif content is not None:
                self._begin(content, is_whole=job == INTERPRETER)

    def ask_for(self, ra: int, mode: int) -> None:
        """Have a starter made, until there is the whole interpreter, for some code, too.

        ``mode`` may be one with translation: the same interpreter runs it.
        """
        may_ask = not (self.is_whole or self._is_asked) and self._starters < STARTERS
        if may_ask and ra < self.ram_size:
            self._request += part(self._memory, ra, mode % layout.REAL_MODES)
            self._starters += 1
            self._is_asked = True
            request = self._request if self._starters < STARTERS else EVERYTHING
            self._workshop.compiler.submit(Job(STARTER, "", request))

    def _begin(self, content: bytes, *, is_whole: bool) -> None:
        """Use an interpreter from now on: one better than that in use so far."""
        if self.is_whole:
            return
        self.is_whole, self._is_asked = is_whole, False
        self.interpretation = latest = interpretation(content)
        for listener in self.on_interpreter:
            listener(latest)
        self._forget_pages()
        self.regions.enter_again()

    def announce(self, step: int = 1) -> None:
        """Have the TLBs of all vcpus flushed before they run: something new is to be noticed.

        With a step of ``layout.UNTRUE``, what they had was not even true.
        """
        (generation,) = _POINTER.unpack_from(self._shared, layout.GENERATION)
        self._share(layout.GENERATION, generation + step)

    def _share(self, field: int, value: int) -> None:
        _POINTER.pack_into(self._shared, field, value)

    # Op pages.

    def make_room(self, ra: int) -> bool:
        """Make room for the op page of an instruction; False if there is no RAM there."""
        if ra >= self.ram_size:
            return False
        self._forget()
        return True

    def look_out(self, vcpu: int, breakpoints: frozenset[int]) -> None:
        """Have op records look out for other breakpoints, those of a vcpu having changed."""
        before = self._all_breakpoints()
        self._breakpoints[vcpu] = breakpoints
        now = self._all_breakpoints()
        self._list_breakpoints(now)
        self.regions.avoid(now)
        if self.interpretation is None:
            return
        for start in self._op_pages():
            _, mode = _HOME.unpack_from(self._arena, start + layout.HOME)
            for ea in (now ^ before) if mode >= layout.BREAKING else ():
                self._undo(start, ea % PAGE & ~3, ea % PAGE + 1)

    def _all_breakpoints(self) -> frozenset[int]:
        return frozenset().union(*self._breakpoints.values())

    def drop(self, gpa: int, length: int) -> None:
        """Forget what was derived from these bytes, which have changed."""
        if self.interpretation is None:
            return
        lines = self._memory.code[gpa // CODE_LINE : -(-(gpa + length) // CODE_LINE)]
        if not any(mark & NATIVE for mark in lines):
            return
        self.regions.drop(gpa, length)
        for page in range(gpa & -PAGE, min(gpa + length, self.ram_size), PAGE):
            low, high = max(gpa - page, 0) & ~3, min(gpa + length - page, PAGE)
            for mode in range(layout.MODES):
                start = self._find(page, mode)
                if start is not None:
                    self._undo(start, low, high)

    def op_page(self, page: int, mode: int) -> int:
        """Return the address of the op page for a page of RAM, a new one if need be."""
        start = self._find(page, mode)
        return self._base + (self._new_page(page, mode) if start is None else start)

    # What regions need (``OpPages``).

    def pages_near(self, page: int, mode: int, most: int) -> list[int]:
        """Return the addresses of the pages nearest to one that have op records."""
        around = range(max(page - NEAR, 0), min(page + NEAR + 1, self.ram_size), PAGE)
        pages = [near for near in around if self._find(near, mode) is not None]
        return sorted(sorted(pages, key=lambda near: abs(near - page))[:most])

    def met(self, page: int, mode: int, least: int) -> bytes:
        """Return how each instruction of a page was met, and begin to count anew."""
        assert self.interpretation is not None
        start = self._find(page, mode)
        assert start is not None
        undecoded = self.interpretation.address("decode_me")
        records = memoryview(self._arena)[start : start + layout.RECORDS_SIZE]
        handlers = records.cast("Q")[:: layout.UNIT // 8].tolist()
        heats = records.cast("I")[layout.HEAT // 4 :: layout.UNIT // 4]
        often = [heat >= least for heat in heats.tolist()]
        for number, hot in enumerate(often):
            if hot:
                heats[number] = 0
        return bytes(
            UNMET if handler == undecoded else LOOKED_UP if hot else MET
            for handler, hot in zip(handlers, often, strict=True)
        )

    def replace(self, ra: int, mode: int, handler: int, *, again: bool) -> None:
        """Have a region entered at an instruction, perhaps instead of another one."""
        offset = self._offset(ra, mode)
        if not again:
            below = offset + layout.BELOW
            self._arena[below : below + 8] = self._arena[offset : offset + 8]
        _POINTER.pack_into(self._arena, offset, handler)

    def reset(self, ra: int, mode: int) -> None:
        """Have an instruction decoded anew."""
        offset, within = self._offset(ra, mode), ra % PAGE
        self._undo(offset - (within << layout.RECORD_SHIFT), within, within + 4)

    def _offset(self, ra: int, mode: int) -> int:
        """Return where in the arena an op record is, in a new op page if need be."""
        start = self._find(ra, mode)
        if start is None:
            start = self._new_page(ra & layout.PAGE_MASK, mode)
        return start + (ra % PAGE << layout.RECORD_SHIFT)

    def _find(self, ra: int, mode: int) -> int | None:
        """Return where in the arena an op page is."""
        (address,) = _POINTER.unpack_from(self._table, self._row(ra, mode))
        return address - self._base if address else None

    def _row(self, ra: int, mode: int) -> int:
        """Return where in the table an op page's address is, or 0."""
        return _POINTER.size * (ra // PAGE * layout.MODES + mode)

    def _undo(self, start: int, low: int, high: int) -> None:
        """Have the instructions of some bytes of a page decoded anew."""
        assert self.interpretation is not None
        undecoded = _POINTER.pack(self.interpretation.address("decode_me"))
        for within in range(low, high, 4):
            offset = start + (within << layout.RECORD_SHIFT)
            self._arena[offset : offset + 8] = undecoded
            _POINTER.pack_into(self._arena, offset + layout.BELOW, 0)

    def _new_page(self, page: int, mode: int) -> int:
        """Make an op page and return where it is in the arena."""
        assert self.interpretation is not None
        new_page = _NEW_PAGE(self.interpretation.address("new_page"))
        address = new_page(self.shared_address, page, mode)
        if address is None:
            self._forget()
            address = new_page(self.shared_address, page, mode)
        return int(address) - self._base

    def _forget(self) -> None:
        """Let go of all op pages, and of regions if it is them that fill op pages."""
        if self.regions.count_pages() > OP_PAGES // 2:
            self.regions.forget()
        self._forget_pages()
        self.regions.enter_again()

    def _forget_pages(self) -> None:
        for start in self._op_pages():
            page, mode = _HOME.unpack_from(self._arena, start + layout.HOME)
            _POINTER.pack_into(self._table, self._row(page, mode), 0)
        self._arena.madvise(mmap.MADV_DONTNEED)
        self._share(layout.FRESH, self._first)
        self.announce(layout.UNTRUE)

    def _op_pages(self) -> range:
        """Return where in the arena the op pages are."""
        (end,) = _POINTER.unpack_from(self._shared, layout.FRESH)
        return range(self._first - self._base, end - self._base, layout.STRIDE)

    def _list_breakpoints(self, places: frozenset[int]) -> None:
        self._listed = listed(places)
        self._share(layout.PLACES, address_of(self._listed))


def listed(addresses: Collection[int]) -> mmap.mmap:
    """Return a list of addresses as native code reads it."""
    content = private(_POINTER.size * (len(addresses) + 1))
    for number, address in enumerate((*addresses, layout.NOWHERE)):
        _POINTER.pack_into(content, _POINTER.size * number, address)
    return content


def private(size: int) -> mmap.mmap:
    """Return zeros that take no memory until they are written."""
    return mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def address_of(buffer: bytearray | mmap.mmap) -> int:
    """Return the host address of a buffer, which must live on."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))
