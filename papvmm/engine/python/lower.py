"""IR to Python source: what handlers and traces share.

Values that are used once become part of the expression that uses them. That is allowed for
all but loads: registers change only when all ops of an instruction have been evaluated.
"""

import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from papvmm.bits import ones
from papvmm.engine.code_marks import DERIVED
from papvmm.engine.lowering import Atom, Lowering
from papvmm.engine.python.access import Address
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    CompareExchange,
    Lanes,
    Leave,
    Load,
    Next,
    Op,
    Pure,
    Ref,
    Store,
    Template,
    refs,
)
from papvmm.isa.operands import Register
from papvmm.isa.state import Cell
from papvmm.memory.guest_memory import CODE_LINE, PAGE
from papvmm.mmu.space import PAGE_SHIFT

LINE_SHIFT: Final = CODE_LINE.bit_length() - 1

PURE: Final[dict[str, str]] = {
    "add": "{0} + {1} & {m}",
    "sub": "{0} - {1} & {m}",
    "mul": "{0} * {1} & {m}",
    "udiv": "{0} // {1}",
    "sdiv": "sdiv({n}, {0}, {1}) & {m}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "xor": "{0} ^ {1}",
    "shl": "{0} << {1} & {m}",
    "lshr": "{0} >> {1}",
    "ashr": "({0} ^ {h}) - {h} >> {1} & {m}",
    "rotl": "({0} << {1} | {0} >> {n} - {1}) & {m}",
    "eq": "{0} == {1}",
    "ult": "{0} < {1}",
    "slt": "({0} ^ {h}) < ({1} ^ {h})",
    "clz": "{n} - {0}.bit_length()",
    "popcount": "{0}.bit_count()",
    "zext": "{0}",
    "trunc": "{0} & {m}",
    "sext": "({0} ^ {h}) - {h} & {m}",
    "select": "{1} if {0} else {2}",
    "mask": "mask({0}, {1})",
    "permute": "permute({0}, {1}, {2})",
    "fadd": "hostfloat.add({0}, {1})",
    "fmul": "hostfloat.multiply({0}, {1})",
    "fdiv": "hostfloat.divide({0}, {1})",
    "fma": "hostfloat.multiply_add({0}, {1}, {2})",
    "fsqrt": "hostfloat.square_root({0})",
    "fsingle": "hostfloat.to_single({0})",
    "fsigned": "hostfloat.from_integer({0})",
    "fint": "hostfloat.to_integer({0}) & {m}",
    "flt": "hostfloat.is_less({0}, {1})",
    "feq": "hostfloat.is_equal({0}, {1})",
}
"""Python for each pure op: n the argument width, h its sign bit, m a mask of the result.

Arguments are numbers, names or in parentheses.
"""


def expression(op: Pure, args: list[Atom]) -> str:
    """Return a Python expression for a pure op, in a cheaper form if an argument is known."""
    sign = 1 << (op.of - 1)
    match op.code, args:
        case "slt", [a, 0]:
            return f"{a} >= {sign}"
        case "slt", [0, b]:
            return f"0 < {b} < {sign}"
        case "slt", [a, int(b)]:
            return f"({a} ^ {sign}) < {b ^ sign}"
        case "xor", [a, 1] if op.width == 1:
            return f"not {a}"
        case "add", [a, int(b)] if b >= sign:
            return f"{a} - {(sign << 1) - b} & {ones(op.width)}"
        case "rotl", [a, int(b)]:
            return f"({a} << {b} | {a} >> {op.of - b}) & {ones(op.width)}"
        case _:
            return PURE[op.code].format(*args, n=op.of, h=sign, m=ones(op.width))


@cache
def uses(template: Template) -> Mapping[Ref, int]:
    """Count how often each op's value is used."""
    nodes = (*template.ops, template.end)
    counted = Counter(ref for node in nodes for ref in refs(node))
    counted.update(ref for _, ref in template.writes)
    return counted


def mentions(atom: Atom, names: Iterable[str]) -> bool:
    """Tell whether an expression reads one of these places."""
    return isinstance(atom, str) and any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", atom) for name in names
    )


def unusual(when: Atom, unless: Atom) -> Atom:
    """Return the condition of an exit."""
    return when if unless == 0 else f"not {unless} and {when}"


class PythonLowering(Lowering):
    """Source of a Python function under construction.

    ``odd`` is the line that leaves before the instruction, for the stepper to execute it.
    """

    odd: str

    def __init__(self, addressing: Address) -> None:
        super().__init__()
        self.lines: Final[list[str]] = []
        self._addressing: Final = addressing
        self._temporaries = 0
        self._uses: Mapping[Ref, int] = {}
        self._flipped: Final[dict[Atom, Atom]] = {}

    def instruction(self, template: Template) -> None:
        """Append one instruction."""
        self._uses = uses(template)
        self._flipped.clear()
        values = self.walk(template)
        targets = {self.place(register): values[ref] for register, ref in template.writes}
        match template.end:
            case Next():
                self.write(targets)
                self.go_on()
            case Branch(when, displacement):
                taken, distance = self._keep(targets, values[when], values[displacement])
                self.write(targets)
                self.branch(taken, distance)
            case BranchTo(when, address):
                taken, target = self._keep(targets, values[when], values[address])
                self.write(targets)
                self.branch_to(taken, target)
            case Leave(reason, address):
                (target,) = self._keep(targets, values[address])
                self.write(targets)
                self.leave(reason, target)

    # What the two kinds of function differ in.

    @abstractmethod
    def place(self, register: Register) -> str:
        """Return the text that a register is read and written by."""

    @abstractmethod
    def go_on(self) -> None:
        """Append the end of an instruction that goes on to the next."""

    @abstractmethod
    def branch(self, when: Atom, displacement: Atom) -> None:
        """Append a branch to CIA + ``displacement``."""

    @abstractmethod
    def branch_to(self, when: Atom, address: Atom) -> None:
        """Append a branch to ``address``."""

    @abstractmethod
    def leave(self, reason: int, address: Atom) -> None:
        """Append the end of an instruction that hands over."""

    # Ops.

    def op(self, op: Op, values: list[Atom]) -> Atom:
        """Append one op; its value gets a name if it is more than that, and used twice."""
        atom = super().op(op, values)
        if self._uses[self.ref] > 1 and isinstance(atom, str) and not atom.isidentifier():
            return self.temporary(atom)
        return atom

    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        match op.code, args:
            case "zext", [a]:
                return a
            case "slt", [str(a), str(b)]:
                return f"({self._flip(a, op.of)} < {self._flip(b, op.of)})"
            case "rotl", [str(a), b] if not a.isidentifier():
                return f"({expression(op, [self.temporary(a), b])})"
            case _:
                return f"({expression(op, args)})"

    def lanes(self, op: Lanes, args: list[Atom]) -> Atom:
        return f"lanes({op.code!r}, {op.width}, {op.lane}, {', '.join(map(str, args))})"

    def _flip(self, atom: Atom, width: int) -> Atom:
        """Return a value to compare as unsigned that orders as ``atom`` does as signed."""
        if atom not in self._flipped:
            self._flipped[atom] = self.temporary(f"{atom} ^ {1 << (width - 1)}")
        return self._flipped[atom]

    def get(self, register: Register) -> Atom:
        return self.place(register)

    def load(self, op: Load, ea: Atom) -> Atom:
        ea = self._aligned(ea, op.width) if op.is_aligned else ea
        size = op.width // 8
        if self._addressing is Address.CAREFUL:
            value = f"ram.load({ea}, {size})"
            return self.temporary(f"reverse({value}, {size})" if op.is_reversed else value)
        place = f"ram, {ea}"
        if self._addressing is Address.PAGED:
            ea = self._named(ea)
            place = f"ram[{ea} >> {PAGE_SHIFT}], {ea} & {PAGE - 1}"
        return self.temporary(f"load{'r' * op.is_reversed}{size}({place})[0]")

    def store(self, op: Store, ea: Atom, value: Atom) -> None:
        ea = self._aligned(ea, op.width) if op.is_aligned else ea
        size = op.width // 8
        if self._addressing is Address.CAREFUL:
            stored = f"reverse({value}, {size})" if op.is_reversed else value
            self.line(f"ram.store({ea}, {size}, {stored})")
        else:
            place = self._writable(ea, size)
            self.line(f"store{'r' * op.is_reversed}{size}({place}, {value})")

    def compare_exchange(self, op: CompareExchange, values: list[Atom]) -> Atom:
        expected, new, when = (values[r] for r in (op.expected, op.new, op.when))
        size = op.of // 8
        ea = self._aligned(values[op.ea], op.of)
        if self._addressing is Address.CAREFUL:
            exchange = f"ram.exchange({ea}, {size}, {expected}, {new})"
        else:
            exchange = f"exchange{size}({self._writable(ea, size)}, {expected}, {new})"
        return self.temporary(f"{when} and {exchange}")

    def _aligned(self, ea: Atom, width: int) -> Atom:
        """Leave if ``ea`` is no multiple of the operand's size."""
        if width == 8:
            return ea
        ea = self.temporary(f"{ea}")
        self.line(f"if {ea} & {width // 8 - 1}:")
        self.line(
            f"    {f'raise misaligned({ea})' if self._addressing is Address.CAREFUL else self.odd}"
        )
        return ea

    def _writable(self, ea: Atom, size: int) -> str:
        """Leave if something was derived from what is at ``ea``: see ``code_marks``.

        Return the arguments that say where to store.
        """
        ea, view = self.temporary(f"{ea}"), "ram"
        if self._addressing is Address.PAGED:
            view = self.temporary(f"code[{ea} >> {PAGE_SHIFT}]")
            marks, view = f"{view}[1]", f"{view}[0]"
            ea = self.temporary(f"{ea} & {PAGE - 1}")
        else:
            marks = "code"
        crosses = f"or {ea} & {CODE_LINE - 1} > {CODE_LINE - size}"
        self.line(f"if (mark := {marks}[{ea} >> {LINE_SHIFT}]) and (mark & {DERIVED} {crosses}):")
        self.line(f"    {self.odd}")
        return f"{view}, {ea}"

    def _named(self, atom: Atom) -> Atom:
        """Return a value that costs nothing to repeat."""
        if isinstance(atom, int) or atom.isidentifier():
            return atom
        return self.temporary(atom)

    # Text.

    def temporary(self, source: str) -> str:
        """Evaluate ``source`` here."""
        self._temporaries += 1
        name = f"t{self._temporaries}"
        self.line(f"{name} = {source}")
        return name

    def line(self, text: str) -> None:
        """Append a line."""
        self.lines.append(text)

    def _keep(self, targets: Mapping[str, Atom], *atoms: Atom) -> tuple[Atom, ...]:
        """Evaluate what the writes that come first would change."""
        return tuple(
            self.temporary(f"{atom}") if mentions(atom, targets) else atom for atom in atoms
        )

    def write(self, targets: Mapping[str, Atom]) -> None:
        """Append the writes of an instruction, which happen all at once."""
        if targets:
            values = ", ".join(map(str, targets.values()))
            self.line(f"{', '.join(targets)} = {values}")


def slot(cell: Cell, index: int = 0) -> str:
    """Return the text for one element of a cell in the state buffer."""
    offset = cell.at(index)
    return f"q[{offset // 8}]" if cell.size == 8 else f"b[{offset}]"
