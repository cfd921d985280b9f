"""IR to LLVM text: what the interpreter and the region translator share.

Guest functions have one signature, and pass control by tail calls: ``cpu`` is the vcpu
buffer, ``ip`` the op record of the current instruction, and ``limit`` the op record at which
straight-line code would use up the budget. So instructions that go on to the next count for
nothing, and a branch moves the limit with ``ip``.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import cache
from typing import Final

from papvmm.bits import ones
from papvmm.engine.lowering import Atom, Lowering
from papvmm.engine.native import layout
from papvmm.engine.native.text import FMA_DECLARATION, Text
from papvmm.engine.stops import Stop
from papvmm.isa.exit import Exit
from papvmm.isa.ir import (
    Branch,
    BranchTo,
    CompareExchange,
    Const,
    ExitIf,
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
from papvmm.isa.state import CTR, LR, MSR, SRR0, SRR1, Cell

CONVENTION: Final = "preserve_nonecc void"
PARAMETERS: Final = "(ptr noalias %cpu, ptr %ip, i64 %limit)"
FILLER: Final = "preserve_mostcc i64"
FINDER: Final = "preserve_mostcc ptr"
PRELUDE: Final = "\n".join(
    (
        *(f"declare i{n} @llvm.fshl.i{n}(i{n}, i{n}, i{n})" for n in (32, 64)),
        *(f"declare i{n} @llvm.ctlz.i{n}(i{n}, i1)" for n in (32, 64, 128)),
        *(f"declare i{n} @llvm.ctpop.i{n}(i{n})" for n in (8, 32, 64, 128)),
        *(f"declare i{n} @llvm.bswap.i{n}(i{n})" for n in (16, 32, 64, 128)),
        FMA_DECLARATION,
        "declare double @llvm.sqrt.f64(double)",
        '!0 = !{!"branch_weights", i32 100000, i32 1}',
        'attributes #0 = { nounwind "no-jump-tables"="true" }',
        'attributes #1 = { nounwind noinline "no-jump-tables"="true" }',
        'attributes #2 = { nounwind "no-jump-tables"="true" "no-builtins" }',
        "",
    )
)
MODE_CELLS: Final = frozenset((MSR, SRR0, SRR1, LR, CTR))
WIDEST_DIVISION: Final = 64


def is_lowered(template: Template) -> bool:
    """Tell whether native code executes a template: host processors can't divide 128 bits."""
    return not any(
        isinstance(op, Pure) and op.code in ("udiv", "sdiv") and op.width > WIDEST_DIVISION
        for op in template.ops
    )


@cache
def seldom(template: Template) -> frozenset[Ref]:
    """Return the pure ops that nothing needs but exits that are unusual."""
    needed = {ref for _, ref in template.writes} | set(refs(template.end))
    for number in reversed(range(len(template.ops))):
        op = template.ops[number]
        if isinstance(op, ExitIf):
            usual = template.ops[op.unless]
            needed.add(op.when if isinstance(usual, Const) else op.unless)
        elif number in needed or not isinstance(op, Pure):
            needed.update(refs(op))
    pure = (Ref(number) for number, op in enumerate(template.ops) if isinstance(op, Pure))
    return frozenset(ref for ref in pure if ref not in needed)


def changes_mode_only(template: Template) -> bool:
    """Tell whether an instruction changes nothing that interrupts follow from but the MSR."""
    return MODE_CELLS.issuperset(register.cell for register, _ in template.writes)


def tail_call(function: str, ip: str, limit: Atom = "%limit") -> str:
    """Return the text that passes control on."""
    return f"musttail call {CONVENTION} {function}(ptr %cpu, ptr {ip}, i64 {limit})\nret void"


class LlvmText(Text):
    """Text that has to do with the vcpu buffer."""

    def beside(self, address: str, offset: Atom) -> str:
        """Return the address ``offset`` bytes after another."""
        return self.value(f"getelementptr i8, ptr {address}, i64 {offset}")

    def resized(self, value: Atom, width: int, wanted: int) -> Atom:
        """Return the low ``wanted`` bits of a value, or zeros before it."""
        if isinstance(value, int):
            return value & ones(wanted)
        if width == wanted:
            return value
        code = "zext" if width < wanted else "trunc"
        return self.value(f"{code} i{width} {value} to i{wanted}")

    def field(self, offset: Atom) -> str:
        """Return the address of a field of the vcpu buffer."""
        return self.beside("%cpu", offset)

    def read(self, offset: Atom, width: int = 64) -> str:
        """Load a field of the vcpu buffer."""
        return self.value(f"load i{width}, ptr {self.field(offset)}")

    def write(self, offset: Atom, value: Atom, width: int = 64) -> None:
        """Store to a field of the vcpu buffer."""
        self.line(f"store i{width} {value}, ptr {self.field(offset)}")

    def shared(self, field: int) -> str:
        """Return the address of a field that vcpus share."""
        return self.beside(self.value(f"load ptr, ptr {self.field(layout.SHARED)}"), field)

    def unless_listed(self, first: str, found: str, same: Callable[[str], str]) -> None:
        """Go to a label if one of the addresses in a list, which ``NOWHERE`` ends, is the same."""
        before, loop, more, none, one = (self.label() for _ in range(5))
        self.line(f"br label %{before}\n{before}:\nbr label %{loop}\n{loop}:")
        self.line(f"%{one} = phi ptr [{first}, %{before}], [%{one}.next, %{more}]")
        address = self.value(f"load i64, ptr %{one}")
        self.line(f"%{one}.next = getelementptr i8, ptr %{one}, i64 8")
        last = self.value(f"icmp eq i64 {address}, {layout.NOWHERE}")
        self.line(f"br i1 {last}, label %{none}, label %{more}\n{more}:")
        self.line(f"br i1 {same(address)}, label %{found}, label %{loop}\n{none}:")

    def tlb_entry(self, ea: str) -> str:
        """Return the address of the entry for an address in the data TLB in use."""
        shifted = self.value(f"lshr i64 {ea}, 7")
        index = self.value(f"and i64 {shifted}, {(layout.TLB_ENTRIES - 1) << 5}")
        return self.beside(self.data_tlb(), index)

    def data_tlb(self) -> str:
        """Return the address of the data TLB in use."""
        return self.value(f"load ptr, ptr {self.field(layout.DATA_TLB)}")

    def mixed(self, number: Atom, key: str) -> str:
        """Return what a page's entry in tables for fetches is numbered by, from the right."""
        return self.value(f"xor i64 {number}, {self.value(f'shl i64 {key}, 5')}")

    def fetch_entry(self, mixed: str) -> str:
        """Return the address of an entry of the fetch TLB."""
        index = self.value(f"and i64 {mixed}, {layout.TLB_ENTRIES - 1}")
        offset = self.value(f"shl i64 {index}, 4")
        return self.field(self.value(f"add i64 {offset}, {layout.FETCH_TLB}"))

    def is_of(self, wanted: str, second: str, tag: int, stamp: int) -> str:
        """Tell whether an entry of a second table is for what is wanted, and still true.

        ``tag`` and ``stamp`` are where it has these.
        """
        its_stamp = self.value(f"load i64, ptr {self.beside(second, stamp)}")
        valid = self.value(f"icmp eq i64 {its_stamp}, {self.read(layout.STAMP)}")
        its_tag = self.value(f"load i64, ptr {self.beside(second, tag)}")
        same = self.value(f"icmp eq i64 {its_tag}, {wanted}")
        return self.value(f"and i1 {valid}, {same}")

    def poll(self, left: Atom) -> str:
        """Go on unless the budget runs short; return the label for that case."""
        floor = self.value(f"load volatile i64, ptr {self.field(layout.FLOOR)}")
        return self.fork(self.value(f"icmp sge i64 {left}, {floor}"), likely=True)


class LlvmLowering(LlvmText, Lowering):
    """A guest function under construction."""

    def __init__(self, *, little_endian: bool) -> None:
        LlvmText.__init__(self)
        Lowering.__init__(self)
        self._little_endian: Final = little_endian
        self.is_aside = False
        """What is appended is not on the way that every execution takes."""
        self._seldom: frozenset[Ref] = frozenset()
        self._put_off: Final[dict[Ref, Pure]] = {}

    def instruction(self, template: Template) -> None:
        """Append one instruction."""
        self._seldom = seldom(template)
        self._put_off.clear()
        values = self.walk(template)
        for register, ref in template.writes:
            self.put(register, values[ref])
        match template.end:
            case Next():
                self.go_on()
            case Branch(when, displacement):
                self.branch(values[when], values[displacement])
            case BranchTo(when, address):
                self.branch_to(values[when], values[address])
            case Leave(Exit.CONTEXT, address) if changes_mode_only(template):
                self.change_mode(values[address])
            case Leave(reason, address):
                self.leave(reason, values[address])

    # What the interpreter and regions differ in.

    @abstractmethod
    def put(self, register: Register, value: Atom) -> None:
        """Set a register."""

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
    def leave(self, reason: Exit, address: Atom) -> None:
        """Append the end of an instruction that hands over."""

    @abstractmethod
    def change_mode(self, address: Atom) -> None:
        """Append the end of an instruction that changed the MSR, and goes on at ``address``."""

    @abstractmethod
    def stop_before(self, reason: Exit | Stop) -> None:
        """Leave with the state as it was before the instruction; ends the text's block."""

    @abstractmethod
    def left(self, completed: int = 0) -> Atom:
        """Append what is left of the budget before this instruction, or with it completed."""

    @abstractmethod
    def filler(self, field: int) -> str:
        """Return what calls the slow path of data accesses whose address is in a field."""

    # Cells.

    def load_cell(self, cell: Cell, address: str) -> str:
        """Load a cell's value."""
        value = self.value(f"load i{cell.size * 8}, ptr {address}")
        return (
            value
            if cell.width in (8, 64)
            else self.value(f"trunc i{cell.size * 8} {value} to i{cell.width}")
        )

    def store_cell(self, cell: Cell, address: str, value: Atom) -> None:
        """Store a cell's value."""
        if cell.width not in (8, 64) and isinstance(value, str):
            value = self.value(f"zext i{cell.width} {value} to i{cell.size * 8}")
        self.line(f"store i{cell.size * 8} {value}, ptr {address}")

    # Ops.

    def now(self) -> Atom:
        left = self.value(f"lshr i64 {self.left()}, {layout.UNIT_SHIFT}")
        return self.value(f"sub i64 {self.read(layout.DEADLINE)}, {left}")

    def load(self, op: Load, ea: Atom) -> Atom:
        if op.is_aligned:
            self._demand_alignment(ea, op.width // 8)
        address = self.host_address(ea, op.width // 8, is_store=False)
        value = self.value(f"load i{op.width}, ptr {address}, align 1")
        return self._swapped(value, op.width, is_reversed=op.is_reversed)

    def store(self, op: Store, ea: Atom, value: Atom) -> None:
        if op.is_aligned:
            self._demand_alignment(ea, op.width // 8)
        address = self.host_address(ea, op.width // 8, is_store=True)
        swapped = self._swapped(value, op.width, is_reversed=op.is_reversed)
        self.line(f"store i{op.width} {swapped}, ptr {address}, align 1")

    def compare_exchange(self, op: CompareExchange, values: list[Atom]) -> Atom:
        """Compare and store: vcpus take turns, so nobody is in between."""
        ea, expected, new = (values[ref] for ref in (op.ea, op.expected, op.new))
        self._demand_alignment(ea, op.of // 8)
        start, store, finish = self.label(), self.label(), self.label()
        self.line(f"br label %{start}\n{start}:")
        done = self.fork(values[op.when])
        address = self.host_address(ea, op.of // 8, is_store=True)
        there = self.value(f"load i{op.of}, ptr {address}, align 1")
        old, swapped = (self._swapped(v, op.of, is_reversed=False) for v in (expected, new))
        same = self.value(f"icmp eq i{op.of} {there}, {old}")
        self.line(f"br i1 {same}, label %{store}, label %{finish}\n{store}:")
        self.line(f"store i{op.of} {swapped}, ptr {address}, align 1")
        self.line(f"br label %{finish}\n{finish}:\nbr label %{done}\n{done}:")
        return self.value(f"phi i1 [0, %{start}], [{same}, %{finish}]")

    def op(self, op: Op, values: list[Atom]) -> Atom:
        if isinstance(op, Pure) and self.ref in self._seldom:
            self._put_off[self.ref] = op
            return 0
        return super().op(op, values)

    def exit_if(self, op: ExitIf, values: list[Atom]) -> None:
        usual = values[op.unless]
        if usual == 0:
            self._unless(self.value(f"xor i1 {values[op.when]}, 1"), op.reason)
            return
        odd, go_on, stop = self.fork(usual, likely=True), self.label(), self.label()
        self.line(f"br label %{go_on}\n{odd}:")
        when = self._aside(op.when, values)
        self.line(f"br i1 {when}, label %{stop}, label %{go_on}\n{stop}:")
        self.stop_before(op.reason)
        self.line(f"{go_on}:")

    def _aside(self, wanted: Ref, values: list[Atom]) -> Atom:
        """Append here, where execution seldom comes, what was put off until now."""
        there = dict(enumerate(values))
        needed = {wanted}
        for ref in sorted(self._put_off, reverse=True):
            if ref in needed:
                needed.update(self._put_off[ref].args)
        self.is_aside = True
        for ref in sorted(needed & self._put_off.keys()):
            op = self._put_off[ref]
            there[ref] = self._folded(op, [there[arg] for arg in op.args])
        self.is_aside = False
        return there[wanted]

    def _unless(self, fine: Atom, reason: Exit | Stop) -> None:
        """Stop before the instruction unless all is fine."""
        stop, go_on = self.fork(fine, likely=True), self.label()
        self.line(f"br label %{go_on}")
        self.line(f"{stop}:")
        self.stop_before(reason)
        self.line(f"{go_on}:")

    def _demand_alignment(self, ea: Atom, size: int) -> None:
        """Leave an access to the stepper if its address is no multiple of its size."""
        if size > 1:
            low = self.value(f"and i64 {ea}, {size - 1}")
            self._unless(self.value(f"icmp eq i64 {low}, 0"), Stop.ODD)

    def _swapped(self, value: Atom, width: int, *, is_reversed: bool) -> Atom:
        if width == 8 or self._little_endian != is_reversed:
            return value
        return self.value(f"call i{width} @llvm.bswap.i{width}(i{width} {value})")

    def host_address(self, ea: Atom, size: int, *, is_store: bool) -> str:
        """Translate by the data TLB; after a miss, ask the slow path, which may refuse."""
        if isinstance(ea, int):
            ea = self.value(f"add i64 {ea}, 0")
        entry = self.tlb_entry(ea)
        tag = self.value(f"load i64, ptr {self.beside(entry, 8 * is_store)}")
        last = ea if size == 1 else self.value(f"add i64 {ea}, {size - 1}")
        page = self.value(f"and i64 {last}, {layout.PAGE_MASK}")
        hit, filled, join = self.label(), self.label(), self.label()
        miss = self.fork(self.value(f"icmp eq i64 {tag}, {page}"), likely=True)
        self.line(f"br label %{hit}")
        self.line(f"{hit}:")
        addend = self.value(f"load i64, ptr {self.beside(entry, 16)}")
        fast = self.value(f"add i64 {addend}, {ea}")
        self.line(f"br label %{join}")
        self.line(f"{miss}:")
        slow = self.slow_path(ea, size, is_store=is_store)
        self.line(f"br label %{filled}\n{filled}:\nbr label %{join}")
        self.line(f"{join}:")
        address = self.value(f"phi i64 [{fast}, %{hit}], [{slow}, %{filled}]")
        return self.value(f"inttoptr i64 {address} to ptr")

    def slow_path(self, ea: Atom, size: int, *, is_store: bool) -> str:
        """Have a function find the host address; if it refuses, leave the access to the stepper."""
        function = self.filler(layout.FILL_STORE if is_store else layout.FILL_LOAD)
        slow = self.value(f"call {FILLER} {function}(ptr %cpu, i64 {ea}, i64 {size})")
        self._unless(self.value(f"icmp ne i64 {slow}, 0"), Stop.ODD)
        return slow
