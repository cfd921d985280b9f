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

MOST_REGIONS: Final = 64
"""Regions of a page that are compiled in one run."""
MOST_BYTES: Final = 32 << 20
"""Regions kept; when there are more, all go."""


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


class OpPages(Protocol):
    """Where regions are put."""

    def looked_up(self, page: int, mode: int, least: int) -> Iterator[int]:
        """Yield the instructions of a page that were looked up so often since the last time."""
        ...

    def replace(self, ra: int, mode: int, handler: int, *, again: bool) -> None:
        """Have a region entered at an instruction, perhaps instead of another one."""
        ...

    def reset(self, ra: int, mode: int) -> None:
        """Undo that."""
        ...

    def has_breakpoint(self, page: int) -> bool:
        """Tell whether execution has to stop somewhere in a page."""
        ...


class Installed(NamedTuple):
    """A region in its place."""

    key: PageMode
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
        self._pace: Final = pace
        self._installed: Final[dict[PageMode, list[Installed]]] = {}
        self._entered: Final[dict[PageMode, Installed]] = {}
        """The region that is entered at an instruction in a mode."""
        self._heat: Final[Counter[PageMode]] = Counter()
        self._compiled: Final[Counter[PageMode]] = Counter()
        self._kept: Final[dict[str, list[Translated]]] = {}
        """What earlier runs have left, by the names of pages met in this one."""
        self._asked: Final[dict[Job, RegionRequest]] = {}
        self._avoided: Final[set[int]] = set()
        self._bytes = 0
        self._stride = pace.short

    def sample(self, ra: int, mode: int) -> int:
        """Take note of where execution is; return for how long to run before the next time."""
        key = (ra // PAGE * PAGE, mode)
        covered = any(ra in one.translated.covered for one in self._installed.get(key, ()))
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
        for key in [k for k in self._installed if gpa - PAGE < k[0] < gpa + length]:
            for installed in self._installed[key][:]:
                changed = installed.translated.lines().intersection(lines)
                if changed:
                    self._remove(installed)
                    self._avoided.update(changed)

    def enter_again(self) -> None:
        """Have all regions entered in op pages that are new."""
        for (ra, mode), installed in self._entered.items():
            address = installed.code.address + installed.translated.offset
            self._op_pages.replace(ra, mode, address, again=False)

    def forget(self) -> None:
        """Let go of all regions: op pages went, or there is too much code."""
        for installed in [one for there in self._installed.values() for one in there]:
            self._remove(installed)
        self._compiled.clear()

    def _warm(self, key: PageMode, ra: int) -> None:
        page, mode = key
        self._heat[key] += 1
        if self._heat[key] < self._pace.hot or self._op_pages.has_breakpoint(page):
            return
        self._heat[key] = 0
        words = self._memory.read(page, PAGE)
        targets = list(self._op_pages.looked_up(page, mode, self._pace.looked_up))
        avoided = [line for line in self._avoided if line * CODE_LINE // PAGE == page // PAGE]
        request = RegionRequest(page, mode, words, ra, targets, avoided)
        name = request.name()
        if name not in self._kept:
            self._kept[name] = [unpack(one) for one in self._workshop.store.load(name)]
        fitting = [one for one in self._kept[name] if ra in one.covered]
        if fitting:
            self._kept[name].remove(fitting[-1])
            self._install(request, fitting[-1])
        elif self._compiled[key] < MOST_REGIONS:
            self._compiled[key] += 1
            job = Job(REGION, name, request.pack())
            self._asked[job] = request
            self._workshop.compiler.submit(job)

    def _is_asked(self, key: PageMode) -> bool:
        """Tell whether a page is being compiled."""
        return any((asked.page, asked.mode) == key for asked in self._asked.values())

    def _install(self, request: RegionRequest, translated: Translated) -> None:
        page, mode = key = request.page, request.mode
        lines = translated.lines()
        now = self._memory.read(page, PAGE)
        same = all(_line(now, line) == _line(request.words, line) for line in lines)
        refused = self._avoided.intersection(lines) or self._op_pages.has_breakpoint(page)
        if not same or refused or not translated.entries:
            return
        if self._bytes + len(translated.text) > MOST_BYTES:
            self.forget()
        installed = Installed(key, translated, Executable(translated.text))
        self._bytes += len(translated.text)
        self._installed.setdefault(key, []).append(installed)
        for line in lines:
            self._memory.code[line] |= CODE_REGION
            if line:
                self._memory.code[line - 1] |= CODE_NATIVE_NEXT
        address = installed.code.address + translated.offset
        for ra in translated.entries:
            self._op_pages.replace(ra, mode, address, again=(ra, mode) in self._entered)
            self._entered[ra, mode] = installed

    def _remove(self, installed: Installed) -> None:
        """Take a region out."""
        key, translated = installed.key, installed.translated
        self._installed[key].remove(installed)
        self._bytes -= len(translated.text)
        for ra in translated.entries:
            if self._entered.get((ra, key[1])) is installed:
                del self._entered[ra, key[1]]
                self._op_pages.reset(ra, key[1])
        others = (
            one for (page, _), there in self._installed.items() for one in there if page == key[0]
        )
        kept = {line for other in others for line in other.translated.lines()}
        for line in translated.lines() - kept:
            self._memory.code[line] &= ~CODE_REGION


def _line(words: bytes, line: int) -> bytes:
    """Return one line of a page's bytes."""
    start = line * CODE_LINE % PAGE
    return words[start : start + CODE_LINE]
