"""The control flow of guest code within a page: what a region is made of."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Final, Literal

from papvmm.bits import M64
from papvmm.engine.native import layout
from papvmm.engine.native.lower import is_lowered
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
from papvmm.memory.guest_memory import CODE_LINE, PAGE

LONGEST: Final = 400
"""Instructions in a region, at most."""


@dataclass(slots=True, eq=False)
class Flow:
    """Instructions by address, and where blocks begin.

    ``entries`` are where a region is worth entering: where it was asked to, loops, functions
    called, and where calls return to.
    """

    page: int
    mode: int
    code: dict[int, tuple[Decoded, Template]] = field(default_factory=dict)
    leaders: set[int] = field(default_factory=set)
    entries: set[int] = field(default_factory=set)
    return_sites: set[int] = field(default_factory=set)
    starts: set[int] = field(default_factory=set)
    dispatches: bool = False
    """It goes to computed addresses that are not those of callers."""

    def lines(self) -> set[int]:
        """Return the lines that the instructions are on."""
        return {address // CODE_LINE for address in self.code}


def explore(page: int, mode: int, words: bytes, starts: Iterable[int], avoided: Set[int]) -> Flow:
    """Follow the code of a page, breadth first, from some addresses on.

    ``words`` are the page's bytes; lines that are ``avoided`` are left to the interpreter.
    """
    flow = Flow(page, mode)
    order: Literal["little", "big"] = "little" if layout.is_little_endian(mode) else "big"
    pending = list(starts)
    flow.leaders.update(pending)
    flow.starts.update(pending)
    flow.entries.update(pending)
    while pending and len(flow.code) < LONGEST:
        address = pending.pop(0)
        while address // PAGE == page // PAGE and address not in flow.code:
            at = address % PAGE
            decoded = decode(int.from_bytes(words[at : at + 4], order))
            if decoded is None or address // CODE_LINE in avoided:
                break
            template = decoded.instruction.template(
                decoded.statics, problem_state=layout.is_problem_state(mode)
            )
            if not is_lowered(template):
                break
            flow.code[address] = decoded, template
            if not isinstance(template.end, Next):
                found = _successors(flow, address, decoded, template)
                flow.leaders.update(found)
                pending += found
                break
            address += 4
    flow.leaders &= flow.code.keys()
    flow.entries &= flow.code.keys()
    flow.starts &= flow.code.keys()
    flow.return_sites &= flow.code.keys()
    return flow


def _is_return(template: Template, target: Ref) -> bool:
    """Tell whether an address that is branched to is that in LR."""
    pending = [target]
    while pending:
        op = template.ops[pending.pop()]
        if isinstance(op, Get):
            return op.register.cell is LR
        pending += refs(op)
    return False


def _successors(flow: Flow, address: int, decoded: Decoded, template: Template) -> list[int]:
    """Return where execution may go from a branch, as far as that is known and in the page."""
    following = address + 4
    calls = any(register.cell is LR for register, _ in template.writes)
    found: list[int] = []
    match template.end:
        case Branch(when, displacement):
            op = template.ops[displacement]
            assert isinstance(op, Immediate)
            target = (address + decoded.operands[op.operand]) & M64
            always = isinstance(template.ops[when], Const)
            found = [target, following] if calls or not always else [target]
            if calls or target <= address:
                flow.entries.add(target)
        case BranchTo(when, target_ref):
            flow.dispatches |= not _is_return(template, target_ref)
            always = isinstance(template.ops[when], Const)
            found = [following] if calls or not always else []
        case Next() | Leave():
            found = []
    if calls:
        flow.return_sites.add(following)
        flow.entries.add(following)
    return [target for target in found if target // PAGE == flow.page // PAGE]
