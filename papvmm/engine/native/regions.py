"""Hot code: where it is, what is compiled of it, and what becomes of that when code changes.

Now and then the engine tells where execution is. A page where it is often is compiled, in
another process, and put in its place between two runs.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from papvmm.engine.code_marks import CODE_NATIVE_NEXT, CODE_REGION
from papvmm.engine.native import layout
from papvmm.engine.native.executable import Executable
from papvmm.engine.native.region_job import (
    MET,
    REGION,
    Known,
    RegionRequest,
    Translated,
    digest_of,
    page_name,
    unpack,
)
from papvmm.engine.native.workshop import Job, Workshop
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory

MOST_REGIONS: Final = 64
"""Regions of a page that are compiled in one run."""
MOST_PAGES: Final = 8
"""Pages that a region may be on, out of those nearest to where it is wanted."""
MOST_BYTES: Final = 32 << 20
"""Host memory of the regions there are; when there are more, all go."""
MOST_ASKED: Final = 4
"""Regions that are being compiled at a time: more would be of code that has long gone."""
MOST_LOADED: Final = 4096
"""Pages, with their content, for which it is known that there is no more in the store."""


class Pace(NamedTuple):
    """When code is hot.

    There are ``hot`` samples on a page, where nothing is compiled, before something is;
    ``short`` and ``long`` instructions between two samples, while much is found and when all
    is compiled. ``looked_up`` so often, an address belongs to code that goes there.
    """

    hot: int = 2
    short: int = 30_011
    long: int = 4_000_037
    looked_up: int = 16


PageMode = tuple[int, int]

REST: Final = 8_000_003
"""Instructions for which a line is left alone whose region was dropped; twice that the next time.

It may have code that modifies itself, or data beside it; or other code has been loaded.
"""


class OpPages(Protocol):
    """Where regions are put."""

    def pages_near(self, page: int, mode: int, most: int) -> list[int]:
        """Return the addresses of the pages nearest to one that have op records."""
        ...

    def met(self, page: int, mode: int, least: int) -> bytes:
        """Return how each instruction of a page was met, and begin to count anew.

        These are bytes like those of ``Known``; it counts who was looked up, and how often.
        """
        ...

    def op_page(self, page: int, mode: int) -> int:
        """Make sure that there is an op page: others may go for it."""
        ...

    def announce(self) -> None:
        """Have stores noticed on a page that had no code before."""
        ...

    def replace(self, ra: int, mode: int, handler: int, *, again: bool) -> None:
        """Have a region entered at an instruction, perhaps instead of another one."""
        ...

    def reset(self, ra: int, mode: int) -> None:
        """Undo that."""
        ...


class Installed:
    """A region in its place."""

    def __init__(self, mode: int, translated: Translated, code: Executable) -> None:
        self.mode: Final = mode
        self.translated: Final = translated
        self.code: Final = code


class Regions:
    """The regions of one guest."""

    def __init__(
        self,
        memory: GuestMemory,
        workshop: Workshop,
        op_pages: OpPages,
        pace: Pace,
        isa: Isa,
    ) -> None:
        self._memory: Final = memory
        self._workshop: Final = workshop
        self._op_pages: Final = op_pages
        self._pace: Final = pace
        self._isa: Final = isa
        self._installed: Final[dict[PageMode, list[Installed]]] = {}
        self._entered: Final[dict[PageMode, Installed]] = {}
        """The region that is entered at an instruction in a mode."""
        self._heat: Final[Counter[PageMode]] = Counter()
        self._compiled: Final[Counter[PageMode]] = Counter()
        self._loaded: Final[set[str]] = set()
        """The names of pages whose regions of earlier runs have been put in their place."""
        self._asked: Final[dict[Job, RegionRequest]] = {}
        self._avoided: Final[dict[int, int]] = {}
        """Lines that are left alone, and until when."""
        self._drops: Final[Counter[int]] = Counter()
        """How often there was a region on a line that had to be dropped."""
        self._now = 0
        """About how many instructions have been executed."""
        self._bytes = 0
        self._stride = pace.short
        self._breakpoints: frozenset[int] = frozenset()
        """Those of all vcpus. No region of real mode that has one is entered.

        With translation on, regions look at whether they may go to a page.
        """

    def sample(self, ra: int, mode: int, distance: int = 0) -> int:
        """Take note of where execution is; return for how long to run before the next time.

        The effective address is ``distance`` beyond the real one, modulo 2**64.
        """
        self._now += self._stride
        key = (ra // PAGE * PAGE, mode)
        is_code = self._memory.holds(key[0], PAGE) and not self._is_avoided(ra // CODE_LINE)
        if self._is_covered(ra, mode) or not is_code or self._has_enough(key):
            self._stride = min(self._pace.long, self._stride * 2)
        else:
            self._stride = self._pace.short
            self._warm(key, ra, distance)
        return self._stride

    def take(self, job: Job, content: bytes | None) -> None:
        """Put a compiled region in its place, if its code is still the same."""
        request = self._asked.pop(job)
        if content is not None:
            self._install(request.mode, unpack(content))

    def drop(self, gpa: int, length: int) -> None:
        """Forget the regions with code among these bytes, which have changed."""
        lines = range(gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE + 1)
        for installed in self._on_pages(range(gpa // PAGE * PAGE, gpa + length, PAGE)):
            changed = installed.translated.lines().intersection(lines)
            if changed:
                self._remove(installed)
                self._drops.update(changed)
                for line in changed:
                    self._avoided[line] = self._now + (REST << min(self._drops[line], 40) - 1)

    def avoid(self, breakpoints: frozenset[int]) -> None:
        """Enter no region of real mode with a breakpoint, but others again."""
        before, self._breakpoints = self._breakpoints, breakpoints
        places = before ^ breakpoints
        for installed in self._on_pages({ea // PAGE * PAGE for ea in places}):
            if any(map(installed.translated.covers, places)):
                self._leave(installed)
                self._enter(installed)

    def count_pages(self) -> int:
        """Return how many op pages it takes to enter all regions."""
        return len({(ra // PAGE, mode) for ra, mode in self._entered})

    def enter_again(self) -> None:
        """Have all regions entered in op pages that are new."""
        for (ra, mode), installed in self._entered.items():
            address = installed.code.address + installed.translated.offset
            self._op_pages.replace(ra, mode, address, again=False)

    def forget(self) -> None:
        """Let go of all regions: op pages went, or there is too much code."""
        for installed in self._everything():
            self._remove(installed)
        self._compiled.clear()
        self._loaded.clear()

    def _on_pages(self, pages: Iterable[int]) -> set[Installed]:
        """Return the regions with code on some pages."""
        return {
            one
            for page in pages
            for mode in range(layout.MODES)
            for one in self._installed.get((page, mode), ())
        }

    def _is_avoided(self, line: int) -> bool:
        return self._avoided.get(line, 0) > self._now

    def _everything(self) -> set[Installed]:
        return {one for there in self._installed.values() for one in there}

    def _is_covered(self, ra: int, mode: int) -> bool:
        """Tell whether an instruction is in a region."""
        there = self._installed.get((ra // PAGE * PAGE, mode), ())
        return any(one.translated.covers(ra) for one in there)

    def _warm(self, key: PageMode, ra: int, distance: int) -> None:
        page, mode = key
        self._heat[key] += 1
        self._load(page, mode)
        if self._is_covered(ra, mode):
            return
        if self._heat[key] < self._pace.hot:
            for near in self._op_pages.pages_near(page, mode, MOST_PAGES):
                self._op_pages.met(near, mode, self._pace.looked_up)
            return
        self._heat[key] = 0
        request = self._request(ra, mode, distance)
        if page in request.pages:
            self._compiled[key] += 1
            job = Job(REGION, self._name(page, mode, request.pages[page].words), request.pack())
            self._asked[job] = request
            self._workshop.compiler.submit(job)

    def _name(self, page: int, mode: int, words: bytes) -> str:
        return page_name(page, mode, self._isa, words)

    def _load(self, page: int, mode: int) -> None:
        """Put the regions of a page that earlier runs have left in their place."""
        name = self._name(page, mode, self._memory.read(page, PAGE))
        if name not in self._loaded:
            if len(self._loaded) == MOST_LOADED:
                self._loaded.clear()
            self._loaded.add(name)
            for content in self._workshop.store.load(name):
                self._install(mode, unpack(content))

    def _request(self, ra: int, mode: int, distance: int) -> RegionRequest:
        pages = {
            page: Known(self._memory.read(page, PAGE), self._met(page, mode))
            for page in self._op_pages.pages_near(ra // PAGE * PAGE, mode, MOST_PAGES)
            if not self._has_breakpoint(page, mode)
        }
        lines = (page // CODE_LINE + number for page in pages for number in range(layout.LINES))
        avoided = [line for line in lines if self._is_avoided(line)]
        return RegionRequest(mode, self._isa, ra, distance, pages, avoided)

    def _has_breakpoint(self, page: int, mode: int) -> bool:
        """Tell whether regions in a mode had better have no code on a page."""
        return mode < layout.REAL_MODES and any(
            ea // PAGE == page // PAGE for ea in self._breakpoints
        )

    def _met(self, page: int, mode: int) -> bytes:
        """Return how each instruction of a page was met, perhaps in a region."""
        met = bytearray(self._op_pages.met(page, mode, self._pace.looked_up))
        for installed in self._installed.get((page, mode), ()):
            for start, end in installed.translated.ranges:
                for ra in range(max(start, page), min(end, page + PAGE), 4):
                    number = (ra - page) // 4
                    met[number] = met[number] or MET
        return bytes(met)

    def _has_enough(self, key: PageMode) -> bool:
        """Tell whether no more of a page is to be compiled, or not now."""
        page, mode = key
        if len(self._asked) == MOST_ASKED or self._compiled[key] == MOST_REGIONS:
            return True
        return any(asked.mode == mode and page in asked.pages for asked in self._asked.values())

    def _install(self, mode: int, translated: Translated) -> None:
        lines, pages = translated.lines(), translated.pages()
        if (
            not translated.entries
            or not all(self._memory.holds(page, PAGE) for page in pages)
            or any(map(self._is_avoided, lines))
            or digest_of(lines, self._memory.read) != translated.digest
        ):
            return
        code = Executable(translated.text)
        if self._bytes + code.size > MOST_BYTES:
            self.forget()
        for page in pages:
            self._op_pages.op_page(page, mode)
            marks = page // CODE_LINE
            if not any(self._memory.code[marks : marks + layout.LINES]):
                self._op_pages.announce()
        installed = Installed(mode, translated, code)
        self._bytes += code.size
        for page in pages:
            self._installed.setdefault((page, mode), []).append(installed)
        for line in lines:
            self._memory.code[line] |= CODE_REGION
            if line:
                self._memory.code[line - 1] |= CODE_NATIVE_NEXT
        self._enter(installed)

    def _enter(self, installed: Installed) -> None:
        """Have a region entered wherever it can be, unless there is a breakpoint in it."""
        mode, translated = installed.mode, installed.translated
        if mode < layout.REAL_MODES and any(map(translated.covers, self._breakpoints)):
            return
        address = installed.code.address + translated.offset
        for ra in translated.entries:
            self._op_pages.replace(ra, mode, address, again=(ra, mode) in self._entered)
            self._entered[ra, mode] = installed

    def _leave(self, installed: Installed) -> None:
        """Have a region entered no longer."""
        for ra in installed.translated.entries:
            if self._entered.get((ra, installed.mode)) is installed:
                del self._entered[ra, installed.mode]
                self._op_pages.reset(ra, installed.mode)

    def _remove(self, installed: Installed) -> None:
        """Take a region out."""
        mode, translated = installed.mode, installed.translated
        for page in translated.pages():
            self._installed[page, mode].remove(installed)
        self._bytes -= installed.code.size
        self._leave(installed)
        others = self._on_pages(translated.pages())
        kept = {line for other in others for line in other.translated.lines()}
        for line in translated.lines() - kept:
            self._memory.code[line] &= ~CODE_REGION
