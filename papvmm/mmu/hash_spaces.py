"""What is known of a vcpu's translations by its SLB and the hashed page table: see ``Space``."""

from collections.abc import Callable
from typing import Final, TypeAlias

from papvmm.isa import slb
from papvmm.isa.state import SLB_ESID, SLB_VSID, ArchState
from papvmm.memory.guest_memory import PAGE, GuestMemory
from papvmm.mmu import hashed
from papvmm.mmu.hash_table import Entry, HashTable
from papvmm.mmu.hashed import Segment
from papvmm.mmu.space import PAGE_SHIFT, PAGES, SPACES, Space
from papvmm.mmu.translate import NO_EXECUTE, Access, no_segment, not_found, refused

_SLB: Final = slice(SLB_ESID.offset, SLB_VSID.offset + 8 * SLB_VSID.count)

KEY: Final = 1 << 16
"""Stands for the segment's key beside the bits of an entry."""
USED_BY_STORE: Final = hashed.R_REFERENCED | hashed.R_CHANGED

Segments: TypeAlias = dict[int, Segment]
"""Segments by their effective addresses, counted in segments of their size."""
Forget: TypeAlias = Callable[[Space | None, int], None]


class HashSpace(Space):
    """Pages known with one value of the registers that protection follows from."""

    def __init__(
        self, owner: "HashSpaces", *, problem_state: bool, class_keys: int, is_for_fetches: bool
    ) -> None:
        super().__init__(owner.memory, is_for_fetches=is_for_fetches)
        self._owner: Final = owner
        self._problem_state: Final = problem_state
        self._class_keys: Final = class_keys
        """AMR, or IAMR for fetches."""
        self._refusals: Final[dict[int, tuple[int, int]]] = {}
        """What ``_refuse`` has returned, by what it follows from in an entry, and ``KEY``."""

    def _find(self, ea: int, access: Access) -> int:
        owner = self._owner
        home, (slot, r, shift), (no_read, no_store) = self._allowed(ea, access)
        flags = USED_BY_STORE if access is Access.STORE else hashed.R_REFERENCED
        if ~r & flags:
            r |= flags
            owner.table.record(slot, r)
        ra = hashed.real(r, shift, ea)
        if self.memory.holds(ra & -PAGE, PAGE):
            owner.know(home, self, ea >> PAGE_SHIFT)
            self.learn(
                ea >> PAGE_SHIFT,
                ra & -PAGE,
                is_readable=not no_read,
                is_writable=bool(r & hashed.R_CHANGED) and not no_store,
            )
        return ra

    def _foresee(self, ea: int, access: Access) -> int:
        _, (_, r, shift), _ = self._allowed(ea, access)
        return hashed.real(r, shift, ea)

    def locate(self, ea: int) -> int:  # noqa: D102 - see ``Space``
        owner = self._owner
        segment = owner.segment(ea)
        if segment is None:
            raise no_segment(ea, Access.LOAD)
        home = owner.table.home_of(segment, ea)
        entry = owner.table.find(segment, home) if segment.base else None
        if entry is None:
            raise not_found(ea, Access.LOAD)
        return hashed.real(entry.r, entry.shift, ea)

    def _allowed(self, ea: int, access: Access) -> tuple[int, Entry, tuple[int, int]]:
        """Return the home of an address, its entry and what that refuses; the access is allowed.

        Raises ``StorageInterrupt``.
        """
        owner = self._owner
        segment = owner.segment(ea)
        if segment is None:
            raise no_segment(ea, access)
        if access is Access.FETCH and segment.is_no_execute:
            raise refused(ea, access, NO_EXECUTE)
        home = owner.table.home_of(segment, ea)
        entry = owner.table.find(segment, home) if segment.base else None
        if entry is None:
            raise not_found(ea, access)
        r = entry.r
        key = KEY if (segment.kp if self._problem_state else segment.ks) else 0
        refusals = self._refusals.get(r & hashed.R_ALLOWED | key) or self._refuse(r, key)
        causes = refusals[access is Access.STORE]
        if causes:
            raise refused(ea, access, causes)
        return home, entry, refusals

    def _refuse(self, r: int, key: int) -> tuple[int, int]:
        """Return why a page can't be read, or fetched from, and why not stored to; and keep it."""
        read = Access.FETCH if self.is_for_fetches else Access.LOAD
        no_read, no_store = (
            hashed.refusal(r, access, bool(key), self._class_keys)
            for access in (read, Access.STORE)
        )
        self._refusals[r & hashed.R_ALLOWED | key] = (no_read, no_store)
        return no_read, no_store


class HashSpaces:
    """The spaces of one vcpu, whose SLB is in ``state``."""

    def __init__(self, state: ArchState, memory: GuestMemory, table: HashTable) -> None:
        self.memory: Final = memory
        self.table: Final = table
        self._state: Final = state
        self._slb: Final = state.buffer[_SLB]
        self._seen = bytes(len(self._slb))
        """The SLB that what is known follows from."""
        self._small: Segments = {}
        self._large: Segments = {}
        self._spaces: Final[dict[tuple[bool, int, bool], HashSpace]] = {}
        self._known: Final[dict[int, set[tuple[HashSpace, int]]]] = {}
        """Pages by the home of the entries that they follow from."""
        self.on_forget: Final[list[Forget]] = []
        """Called when what a page leads to is forgotten, with its space and number.

        Without a space, all pages are.
        """
        table.on_change.append(self._entry_changed)

    def space(self, *, problem_state: bool, class_keys: int, is_for_fetches: bool) -> HashSpace:
        """Return what is known with these registers, and the SLB as it is now."""
        self.look_again()
        key = (problem_state, class_keys, is_for_fetches)
        space = self._spaces.get(key)
        if space is None:
            if len(self._spaces) == SPACES:
                self._forget_all()
                self._spaces.clear()
            space = self._spaces[key] = HashSpace(
                self,
                problem_state=problem_state,
                class_keys=class_keys,
                is_for_fetches=is_for_fetches,
            )
        return space

    def segment(self, ea: int) -> Segment | None:
        """Return the segment that an address is in, or None."""
        return self._small.get(ea >> slb.SHIFT_256M) or self._large.get(ea >> slb.SHIFT_1T)

    def know(self, home: int, space: HashSpace, number: int) -> None:
        """Be told what a page follows from, before it is known."""
        if len(space.real) == PAGES:
            self._forget_all()
        pages = self._known.get(home)
        if pages is None:
            self._known[home] = {(space, number)}
        else:
            pages.add((space, number))

    def look_again(self) -> None:
        """See whether the SLB has changed, and forget what followed from entries that have."""
        now = self._slb.tobytes()
        if now == self._seen:
            return
        self._seen = now
        small, large = self._segments()
        for shift, old, new in (
            (slb.SHIFT_256M, self._small, small),
            (slb.SHIFT_1T, self._large, large),
        ):
            changed = {esid for esid in old.keys() | new if old.get(esid) != new.get(esid)}
            if changed:
                self._forget_segments(changed, shift - PAGE_SHIFT)
        self._small, self._large = small, large

    def _segments(self) -> tuple[Segments, Segments]:
        """Return the segments of 256M and 1T; if two entries have the same, the first counts."""
        state = self._state
        small: Segments = {}
        large: Segments = {}
        for index in reversed(range(slb.ENTRIES)):
            esid = state.read(SLB_ESID, index)
            if esid & slb.VALID:
                segment = hashed.segment(state.read(SLB_VSID, index))
                of_size = large if segment.shift == slb.SHIFT_1T else small
                of_size[esid >> segment.shift] = segment
        return small, large

    # What is forgotten, and when.

    def _entry_changed(self, home: int) -> None:
        for space, number in self._known.pop(home, ()):
            self._forget(space, number)

    def _forget_segments(self, esids: set[int], shift: int) -> None:
        for space in self._spaces.values():
            for number in [number for number in space.real if number >> shift in esids]:
                self._forget(space, number)

    def _forget(self, space: HashSpace, number: int) -> None:
        space.forget(number)
        for listener in self.on_forget:
            listener(space, number)

    def _forget_all(self) -> None:
        for space in self._spaces.values():
            space.forget_all()
        self._known.clear()
        for listener in self.on_forget:
            listener(None, 0)
