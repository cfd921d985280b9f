"""Hot code: where it is, what is compiled of it, and what becomes of that when code changes.

Now and then the engine tells where execution is. A page where it is often is compiled, in
another process, and put in its place between two runs.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple, Protocol

from papvmm.engine.code_marks import CODE_NATIVE_NEXT, CODE_REGION
from papvmm.engine.native.executable import Executable
from papvmm.engine.native.region_job import REGION, RegionRequest, Translated, unpack
from papvmm.engine.native.workshop import Job, Workshop
from papvmm.memory.guest_memory import CODE_LINE, PAGE, GuestMemory

MOST_BYTES: Final = 32 << 20
"""Regions kept; when there are more, all go."""


class Pace(NamedTuple):
    """When code is hot.

    ``hot`` samples on a page before it is compiled, twice as many each time it is compiled
    again; ``short`` and ``long`` instructions between two samples, while much is found and when
    all is compiled; ``looked_up`` so often, an address is worth entering a region at.
    """

    hot: int = 2
    short: int = 30_011
    long: int = 4_000_037
    looked_up: int = 16


PageMode = tuple[int, int]


class OpPages(Protocol):
    """Where regions are put."""

    def looked_up(self, page: int, mode: int, least: int) -> Iterator[int]:
        """Yield the instructions of a page that were looked up so often."""
        ...

    def replace(self, ra: int, mode: int, handler: int) -> None:
        """Have a region entered at an instruction."""
        ...

    def reset(self, ra: int, mode: int) -> None:
        """Undo that."""
        ...

    def has_breakpoint(self, page: int) -> bool:
        """Tell whether execution has to stop somewhere in a page."""
        ...


class Installed(NamedTuple):
    """A region in its place."""

    translated: Translated
    code: Executable


class Regions:
    """The regions of one guest."""

    def __init__(
        self, memory: GuestMemory, workshop: Workshop, op_pages: OpPages, pace: Pace
    ) -> None:
        self._memory: Final = memory
        self._workshop: Final = workshop
        self._op_pages: Final = op_pages
        self._installed: Final[dict[PageMode, Installed]] = {}
        self._starts: Final[dict[PageMode, set[int]]] = {}
        self._heat: Final[Counter[PageMode]] = Counter()
        self._compiled: Final[Counter[PageMode]] = Counter()
        self._asked: Final[dict[Job, RegionRequest]] = {}
        self._avoided: Final[set[int]] = set()
        self._bytes = 0
        self._pace: Final = pace
        self._stride = pace.short

    def sample(self, ra: int, mode: int) -> int:
        """Take note of where execution is; return for how long to run before the next time."""
        key = (ra // PAGE * PAGE, mode)
        installed = self._installed.get(key)
        covered = installed is not None and ra in installed.translated.covered
        is_code = self._memory.holds(key[0], PAGE) and ra // CODE_LINE not in self._avoided
        if covered or not is_code or self._is_asked(key):
            self._stride = min(self._pace.long, self._stride * 2)
        else:
            self._stride = self._pace.short
            self._warm(key, ra)
        return self._stride

    def take(self, job: Job, content: bytes | None) -> None:
        """Put a compiled region in its place, if its code is still the same."""
        request = self._asked.pop(job)
        if content is not None:
            self._install(request, unpack(content))

    def drop(self, gpa: int, length: int) -> None:
        """Forget the regions with code among these bytes, which have changed."""
        lines = range(gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE + 1)
        for page, mode in [k for k in self._installed if gpa - PAGE < k[0] < gpa + length]:
            covered = {ra // CODE_LINE for ra in self._installed[page, mode].translated.covered}
            changed = covered.intersection(lines)
            if changed:
                self._remove((page, mode))
                self._avoided.update(changed)

    def forget(self) -> None:
        """Let go of all regions: op pages went, or there is too much code."""
        for key in list(self._installed):
            self._remove(key)
        self._compiled.clear()

    def _warm(self, key: PageMode, ra: int) -> None:
        self._starts.setdefault(key, set()).add(ra)
        self._heat[key] += 1
        if self._heat[key] < self._pace.hot << self._compiled[key]:
            return
        self._heat[key] = 0
        page, mode = key
        if self._op_pages.has_breakpoint(page):
            return
        starts = self._starts[key]
        starts.update(self._op_pages.looked_up(page, mode, self._pace.looked_up))
        words = self._memory.read(page, PAGE)
        avoided = sorted(a for a in self._avoided if a * CODE_LINE // PAGE == page // PAGE)
        request = RegionRequest(page, mode, words, sorted(starts), avoided)
        kept = self._workshop.store.load(request.name()) if not self._compiled[key] else None
        self._compiled[key] += 1
        if kept is not None:
            self._install(request, unpack(kept))
        else:
            job = Job(REGION, request.name(), request.pack())
            self._asked[job] = request
            self._workshop.compiler.submit(job)

    def _is_asked(self, key: PageMode) -> bool:
        """Tell whether a page is being compiled."""
        return any((asked.page, asked.mode) == key for asked in self._asked.values())

    def _install(self, request: RegionRequest, translated: Translated) -> None:
        page, mode = key = request.page, request.mode
        lines = {ra // CODE_LINE for ra in translated.covered}
        now = self._memory.read(page, PAGE)
        same = all(_line(now, line) == _line(request.words, line) for line in lines)
        refused = self._avoided.intersection(lines) or self._op_pages.has_breakpoint(page)
        if not same or refused or not translated.entries:
            return
        if key in self._installed:
            self._remove(key)
        if self._bytes + len(translated.text) > MOST_BYTES:
            self.forget()
        code = Executable(translated.text)
        self._bytes += len(translated.text)
        self._installed[key] = Installed(translated, code)
        for line in lines:
            self._memory.code[line] |= CODE_REGION
            if line:
                self._memory.code[line - 1] |= CODE_NATIVE_NEXT
        for ra in translated.entries:
            self._op_pages.replace(ra, mode, code.address + translated.offset)

    def _remove(self, key: PageMode) -> None:
        """Take a region out."""
        page, mode = key
        translated = self._installed.pop(key).translated
        self._bytes -= len(translated.text)
        for ra in translated.entries:
            self._op_pages.reset(ra, mode)
        others = [i for (p, _), i in self._installed.items() if p == page]
        kept = {ra // CODE_LINE for other in others for ra in other.translated.covered}
        for line in {ra // CODE_LINE for ra in translated.covered} - kept:
            self._memory.code[line] &= ~CODE_REGION


def _line(words: bytes, line: int) -> bytes:
    """Return one line of a page's bytes."""
    start = line * CODE_LINE % PAGE
    return words[start : start + CODE_LINE]
