"""Translation for native code: which TLBs it uses in which context, and what is put into them.

Native code looks an address up and stops if it misses; what the guest's tables say is found out
here. A TLB holds what a ``Space`` knows, so it is forgotten together with that.
"""

from collections.abc import Callable
from typing import Final

from papvmm.bits import M64
from papvmm.engine.native import layout
from papvmm.engine.stops import Stop, StopReason
from papvmm.isa.msr import MSR_DR, MSR_IR, MSR_LE, MSR_PR
from papvmm.isa.state import LPCR, LPCR_HR, MSR, NOW
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory
from papvmm.mmu.mmu import Meaning, Mmu
from papvmm.mmu.space import PAGE_SHIFT, Space
from papvmm.mmu.translate import REAL_MODE_BITS, Access, StorageInterrupt

NOBODY: Final = (1 << 64) - 1
_NOW: Final = NOW.place
_MSR, _LPCR = MSR.place, LPCR.place
_MODE, _FETCH_KEY, _DATA_TLB, _SEEN = (
    field // 8 for field in (layout.MODE, layout.FETCH_KEY, layout.DATA_TLB, layout.SEEN)
)
_STAMP: Final = layout.STAMP // 8
_SECOND: Final = layout.SECOND * layout.TLB_ENTRIES
_USER, _KERNEL = 1, 2
"""Data TLBs after that of real mode: problem state's, and the first of privileged state's."""
_FETCH_TLB: Final = slice(layout.FETCH_TLB // 8, layout.FETCH_TLB // 8 + 2 * layout.TLB_ENTRIES)
_NO_FETCHES: Final = memoryview(b"\xff" * 16 * layout.TLB_ENTRIES).cast("Q")
_MARKS: Final = PAGE // CODE_LINE
_UNMARKED: Final = bytes(_MARKS)
_TRANSLATING: Final = MSR_IR | MSR_DR
_CONTEXT: Final = _TRANSLATING | MSR_PR | MSR_LE
_ROWS: Final = {
    msr: (layout.CONTEXTS + layout.context_of(msr) * layout.CONTEXT_SIZE) // 8
    for order in (0, MSR_LE)
    for problem in (order, order | MSR_PR)
    for msr in (problem, problem | MSR_IR, problem | MSR_DR, problem | MSR_IR | MSR_DR)
}
"""Where the row of each context is."""


class Contexts:
    """The contexts of one vcpu, whose buffer has ``q`` as doublewords and is at ``address``.

    ``op_page`` returns the address of the op page for a page of RAM and a mode.
    """

    def __init__(
        self,
        q: memoryview,
        address: int,
        memory: GuestMemory,
        mmu: Mmu | None,
        op_page: Callable[[int, int], int],
    ) -> None:
        self._q: Final = q
        self._address: Final = address
        self._memory: Final = memory
        self._mmu: Final = mmu
        self._op_page: Final = op_page
        self._meaning: Meaning | None = None
        """What translations follow from; None until any is asked for."""
        self._tables: tuple[int, ...] = ()
        """The tables that what is in the TLBs follows from."""
        self._spaces: Final[dict[int, Space]] = {}
        """What the data TLBs hold a part of, by their addresses, where they hold anything."""
        self.is_watching = False
        self._breaking: frozenset[int] = frozenset()
        self._released = -1
        """The count at the latest store that a line was released for."""
        for order in (0, MSR_LE):
            for problem in (0, MSR_PR):
                self._set_row(order | problem, 0, 0)
                for kind in (MSR_IR, MSR_DR, MSR_IR | MSR_DR):
                    q[_ROWS[order | problem | kind]] = NOBODY
        if mmu is not None:
            mmu.on_forget(self._forget)

    def knows(self, msr: int) -> bool:
        """Tell whether native code can run in the context that the registers ask for."""
        q, mmu = self._q, self._mmu
        if mmu is not None and (self._meaning or q[_LPCR] & LPCR_HR or msr & _TRANSLATING):
            self._look_again(mmu.meaning())
        known: bool = q[_ROWS[msr & _CONTEXT]] != NOBODY
        return known

    def _look_again(self, now: Meaning) -> None:
        if now == self._meaning:
            return
        self._meaning = now
        if now.tables != self._tables:
            self._tables = now.tables
            self._forget_all()
        for order in (0, MSR_LE):
            for kind in (MSR_IR, MSR_DR, MSR_IR | MSR_DR):
                self._set_row(order | kind, now.iamr, _KERNEL + now.amr)
                self._set_row(order | kind | MSR_PR, 0, _USER)

    def _set_row(self, msr: int, key: int, data_tlb: int) -> None:
        q, row, mode = self._q, _ROWS[msr], layout.mode_of(msr)
        tlb = data_tlb if msr & MSR_DR else 0
        q[row] = mode
        q[row + 1] = layout.fetch_key(mode, translated=bool(msr & MSR_IR), key=key)
        q[row + 2] = self._address + layout.DATA_TLBS + tlb * layout.DATA_TLB_SIZE

    def break_on(self, pages: frozenset[int]) -> None:
        """Have breakpoints looked out for on other pages, by their numbers in effective addresses.

        What is known of pages that have breakpoints, or had some, is forgotten.
        """
        for number in self._breaking | pages:
            self._forget_code(number)
        self._breaking = pages

    def breaks(self, cia: int) -> bool:
        """Tell whether there is a breakpoint on the page of an address."""
        return cia >> PAGE_SHIFT in self._breaking

    def watch(self, *, is_watching: bool) -> None:
        """Look at watches from now on, which are others, or not.

        While there are some, accesses to pages that are not known are the stepper's: it records
        none in page tables before it has looked. TLBs are filled by native code, which leaves
        pages with watched bytes out.
        """
        self.is_watching = is_watching
        self._forget_all()

    # Filling TLBs.

    def real(self, cia: int) -> int | None:
        """Return the real address of code, if it is in RAM and may be executed."""
        if not self._q[_MSR] & MSR_IR:
            return cia & REAL_MODE_BITS
        if self._mmu is None:
            return None
        try:
            found = self._find_code(cia)
        except StorageInterrupt:
            return None
        return None if found is None else found.real[cia >> PAGE_SHIFT] | cia & PAGE - 1

    def fetch(self, cia: int) -> bool:
        """Have code at an address executed; False if that is left to the stepper."""
        q = self._q
        ra, mode = cia & REAL_MODE_BITS, q[_MODE]
        if q[_MSR] & MSR_IR:
            try:
                found = self._find_code(cia)
            except StorageInterrupt:
                return False
            if found is None:
                return False
            ra = found.real[cia >> PAGE_SHIFT]
        elif not self._memory.holds(ra & -PAGE, PAGE):
            return False
        elif ra != cia:
            mode |= layout.REAL_MODES  # regions of real mode know no other addresses than real ones
        if self.breaks(cia):
            mode |= layout.BREAKING
        key = q[_FETCH_KEY]
        number = cia >> PAGE_SHIFT
        first = layout.FETCH_TLB // 8 + 2 * ((number ^ key << 5) % layout.TLB_ENTRIES)
        second = _second_fetch(number, key)
        tag, records = cia & layout.PAGE_MASK | key, self._op_page(ra & -PAGE, mode)
        q[first], q[first + 1] = tag, records
        q[second], q[second + 1], q[second + 2] = tag, records, q[_STAMP]
        return True

    def access(self, ea: int, kind: int) -> StopReason:
        """Have an access to data done that was odd, and go on; or return why that can't be.

        ``ea`` and ``kind`` are what is in MISS.
        """
        if kind == layout.TABLE_STORE:
            return Stop.BUDGET if self._release(ea) else Stop.ODD
        q, is_store = self._q, kind == layout.MISSED_STORE
        in_use = q[_DATA_TLB]
        space = self._spaces.get(in_use) or self._data_space(in_use)
        known = space.writes if is_store else space.reads
        if self.is_watching and ea >> PAGE_SHIFT not in known:
            return Stop.ODD
        try:
            space.translate(ea, Access.STORE if is_store else Access.LOAD)
        except StorageInterrupt as fault:
            return fault
        number, page = ea >> PAGE_SHIFT, ea & layout.PAGE_MASK
        if number not in known:
            return Stop.ODD
        ra = space.real[number]
        line = ra // CODE_LINE
        writable = page if number in space.writes else NOBODY
        plain = self._memory.code[line : line + _MARKS] == _UNMARKED
        tlb = in_use - self._address
        readable = page if number in space.reads else NOBODY
        distance = self._memory.host_address + ra - page & M64
        if not self.is_watching:
            entry = (tlb + number % layout.TLB_ENTRIES * 32) // 8
            q[entry], q[entry + 1] = readable, writable if plain else NOBODY
            q[entry + 2], q[entry + 3] = distance, writable
        entry = _second_data(tlb, number)
        q[entry], q[entry + 1], q[entry + 2], q[entry + 3] = (
            readable, writable, distance, q[_STAMP],
        )  # fmt: skip
        return Stop.BUDGET

    def _release(self, ra: int) -> bool:
        """Let an instruction store to its line; False if its own translation is on that, too."""
        now = self._q[_NOW]
        if self._mmu is None or now == self._released:
            return False
        self._released = now
        return self._mmu.tables.radix.release(ra)

    def _data_space(self, in_use: int) -> Space:
        """Return what is known of data in the context, for which this data TLB is in use."""
        assert self._mmu is not None
        space = self._spaces[in_use] = self._mmu.space(fetches=False)
        return space

    def _find_code(self, cia: int) -> Space | None:
        """Return a space that knows a page of code; None if there is none.

        Raises ``StorageInterrupt``.
        """
        assert self._mmu is not None
        space = self._mmu.space(fetches=True)
        space.translate(cia, Access.FETCH)
        return space if cia >> PAGE_SHIFT in space.reads else None

    def _forget(self, space: Space | None, number: int) -> None:
        """Forget what a page led to; without a space, all pages."""
        q = self._q
        if space is None:
            self._forget_all()
            return
        if space.is_for_fetches:
            self._forget_code(number)
            return
        for in_use, known in self._spaces.items():
            if known is space:
                place = in_use - self._address
                entry = (place + number % layout.TLB_ENTRIES * 32) // 8
                q[entry] = q[entry + 1] = q[entry + 3] = NOBODY
                q[_second_data(place, number) + 3] = 0

    def _forget_code(self, number: int) -> None:
        """Forget a page of code."""
        q = self._q
        q[_FETCH_TLB] = _NO_FETCHES
        for key in range(layout.FETCH_KEYS):
            q[_second_fetch(number, key)] = NOBODY

    def _forget_all(self) -> None:
        self._q[_SEEN] = 0
        self._spaces.clear()


def _second_fetch(number: int, key: int) -> int:
    """Return where in the buffer a page's entry is in the second table for fetches."""
    return layout.SECOND_FETCH // 8 + 4 * ((number ^ key << 5) % _SECOND)


def _second_data(tlb: int, number: int) -> int:
    """Return where in the buffer a page's entry is in the second table of a data TLB."""
    table = layout.SECOND_DATA + layout.SECOND * (tlb - layout.DATA_TLBS)
    return table // 8 + 4 * (number % _SECOND)
