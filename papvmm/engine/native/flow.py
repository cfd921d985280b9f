"""The control flow of guest code: what a region is made of."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Final, Literal, TypeAlias

from papvmm.bits import M64
from papvmm.engine.native import layout
from papvmm.engine.native.lower import is_lowered
from papvmm.engine.native.region_job import LOOKED_UP, Known
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    Const,
    Get,
    Immediate,
    Leave,
    Next,
    Ref,
    Template,
    refs,
)
from papvmm.isa.state import LR
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import CODE_LINE, PAGE

ENOUGH: Final = 400
"""Instructions in a region, after which it gets no more blocks."""
LONGEST: Final = 4096
"""Instructions in a region, at most; and between a place and where its loop begins or ends."""

Pages: TypeAlias = Mapping[int, Known]
"""Pages by their address."""
Met: TypeAlias = tuple[Decoded, Template]


class Flow:
    """Instructions by address, and where blocks begin.

    ``entries`` are where a region is worth entering: where it was asked to, loops, functions
    called, and where calls return to. Computed branches that are no returns go to ``targets``.
    """

    def __init__(self, mode: int, targets: Iterable[int] = ()) -> None:
        self.mode: Final = mode
        self.code: Final[dict[int, Met]] = {}
        self.leaders: Final[set[int]] = set()
        self.entries: Final[set[int]] = set()
        self.return_sites: Final[set[int]] = set()
        self.targets: Final = {*targets}
        self.dispatches = False
        """There are computed branches that are no returns."""

    def lines(self) -> set[int]:
        """Return the lines that the instructions are on."""
        return {address // CODE_LINE for address in self.code}

    def finish(self) -> "Flow":
        """Forget places where no instruction is."""
        for places in (self.leaders, self.entries, self.return_sites, self.targets):
            places.intersection_update(self.code)
        return self


class Explorer:
    """Follows the code of some pages, as far as it was met.

    Lines that are ``avoided`` are left to the interpreter.
    """

    def __init__(self, mode: int, isa: Isa, pages: Pages, avoided: Set[int]) -> None:
        self._mode: Final = mode
        self._isa: Final = isa
        self._pages: Final = pages
        self._avoided: Final = avoided
        self._order: Final[Literal["little", "big"]] = (
            "little" if layout.is_little_endian(mode) else "big"
        )
        self._decoded: Final[dict[int, Met | None]] = {}

    def region(self, place: int) -> Flow:
        """Return the flow around a place: from the loop or the block on that it is in."""
        flow = self._with_targets(self._beginning(place))
        return flow if place in flow.code else self._with_targets(place)

    def _with_targets(self, start: int) -> Flow:
        """Return the flow from a place, and from wherever it may compute to go."""
        flow = self.explore(start)
        return self.explore(start, {*self._looked_up()}) if flow.dispatches else flow

    def explore(self, start: int, targets: Set[int] = frozenset()) -> Flow:
        """Follow the code, breadth first, from an address on, and then from others."""
        flow = Flow(self._mode, targets)
        for roots in ([start], sorted(targets)):
            flow.leaders.update(roots)
            flow.entries.update(roots)
            pending = deque(roots)
            while pending and len(flow.code) < ENOUGH:
                pending.extend(self._block_from(pending.popleft(), flow))
        return flow.finish()

    def _block_from(self, address: int, flow: Flow) -> Iterable[int]:
        """Add what follows from an address on to the next branch; return where that goes."""
        while address not in flow.code and len(flow.code) < LONGEST:
            met = self._met(address)
            if met is None:
                break
            flow.code[address] = met
            if not isinstance(met[1].end, Next):
                found = _successors(flow, address, *met)
                flow.leaders.update(found)
                return found
            address += 4
            if address % PAGE == 0:
                flow.leaders.add(address)
        return ()

    def _met(self, address: int) -> Met | None:
        """Return the instruction at an address, if it was met and native code executes it."""
        if address not in self._decoded:
            self._decoded[address] = self._decode(address)
        return self._decoded[address]

    def _decode(self, address: int) -> Met | None:
        at = address % PAGE
        known = self._pages.get(address - at)
        if known is None or not known.met[at // 4] or address // CODE_LINE in self._avoided:
            return None
        decoded = decode(int.from_bytes(known.words[at : at + 4], self._order), self._isa)
        if decoded is None:
            return None
        template = decoded.instruction.template(
            decoded.statics, problem_state=layout.is_problem_state(self._mode), isa=self._isa
        )
        return (decoded, template) if is_lowered(template) else None

    def _is_looked_up(self, address: int) -> bool:
        known = self._pages.get(address // PAGE * PAGE)
        return known is not None and known.met[address % PAGE // 4] == LOOKED_UP

    def _looked_up(self) -> Iterator[int]:
        """Yield the addresses that execution often came to from elsewhere."""
        for page, known in self._pages.items():
            for number, how in enumerate(known.met):
                if how == LOOKED_UP:
                    yield page + 4 * number

    # Where to begin.

    def _beginning(self, place: int) -> int:
        """Return the later of: where the loop around a place begins, and where its block does."""
        return max(self._block(place), self._loop(place))

    def _block(self, place: int) -> int:
        """Return the last address before a place that is not only reached from the one above."""
        address = place
        while place - address < 4 * LONGEST:
            above = self._met(address - 4)
            if above is None or _never_goes_on(above[1]) or self._is_looked_up(address):
                break
            address -= 4
        return address

    def _loop(self, place: int) -> int:
        """Return where the first branch behind a place goes that goes back before it; or 0."""
        for address in range(place, place + 4 * LONGEST, 4):
            met = self._met(address)
            if met is not None and isinstance(met[1].end, Branch) and not _calls(met[1]):
                target = _target(address, *met)
                if target <= place and self._met(target) is not None:
                    return target
        return 0


def _calls(template: Template) -> bool:
    return any(register.cell is LR for register, _ in template.writes)


def _never_goes_on(template: Template) -> bool:
    """Tell whether the instruction below is reached in other ways only."""
    match template.end:
        case Branch(when) | BranchTo(when):
            return isinstance(template.ops[when], Const) and not _calls(template)
        case Leave():
            return True
        case Next():
            return False


def _target(address: int, decoded: Decoded, template: Template) -> int:
    """Return where a branch goes."""
    assert isinstance(template.end, Branch)
    op = template.ops[template.end.displacement]
    assert isinstance(op, Immediate)
    return (address + decoded.operands[op.operand]) & M64


def _is_return(template: Template, target: Ref) -> bool:
    """Tell whether an address that is branched to is that in LR."""
    pending = [target]
    while pending:
        op = template.ops[pending.pop()]
        if isinstance(op, Get):
            return op.register.cell is LR
        pending += refs(op)
    return False


def returns(template: Template) -> bool:
    """Tell whether an instruction goes to the address in LR."""
    return isinstance(template.end, BranchTo) and _is_return(template, template.end.address)


def _successors(flow: Flow, address: int, decoded: Decoded, template: Template) -> list[int]:
    """Return where execution may go from a branch, as far as that is known."""
    following = address + 4
    calls = _calls(template)
    found: list[int] = []
    match template.end:
        case Branch(when):
            target = _target(address, decoded, template)
            always = isinstance(template.ops[when], Const)
            found = [target, following] if calls or not always else [target]
            if calls or target <= address:
                flow.entries.add(target)
        case BranchTo(when):
            flow.dispatches |= not returns(template)
            always = isinstance(template.ops[when], Const)
            found = [following] if calls or not always else []
        case Next() | Leave():
            found = []
    if calls:
        flow.return_sites.add(following)
        flow.entries.add(following)
    return found
