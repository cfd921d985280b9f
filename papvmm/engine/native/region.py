"""The region translator: control flow becomes one LLVM function.

Registers are promoted: loaded when the region is entered, kept in stack slots that LLVM turns
into values, and written back at every way out. Operand fields are numbers here, so walking a
template specialises it.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from papvmm.bits import M64, ones
from papvmm.engine.lowering import Atom
from papvmm.engine.native import layout
from papvmm.engine.native.flow import Flow, returns
from papvmm.engine.native.lower import CONVENTION, PARAMETERS, LlvmLowering, tail_call
from papvmm.isa.exit import Exit
from papvmm.isa.ir import ExitIf, Immediate, Pure
from papvmm.isa.operands import Operand, Register
from papvmm.isa.state import CIA, FP_A, FP_B, FP_C, GPR, VSR, ZERO_GPR, Cell
from papvmm.memory.guest_memory import PAGE

Slot: TypeAlias = tuple[Cell, int]

GOES_ON: Final = 0
CHANGES_MODE: Final = 1
INTERPRETED: Final = -1
"""Instead of a reason to stop: go on at CIA, in this mode or in another, or outside regions."""

FLOATS: Final = (FP_A, FP_B, FP_C)
"""Besides FPRs, what is kept where the host computes with doubles."""


class Region(LlvmLowering):
    """A region's function under construction.

    Its flow has real addresses; effective ones are ``distance`` beyond them.
    """

    def __init__(self, flow: Flow, distance: int = 0) -> None:
        super().__init__(little_endian=layout.is_little_endian(flow.mode))
        self._flow: Final = flow
        self._distance: Final = distance
        self._operands: Mapping[Operand, int] = {}
        self._address = 0
        self._known: dict[Slot, Atom] = {}
        self._dirty: set[Slot] = set()
        self._computed: dict[tuple[str, int, int, tuple[Atom, ...]], Atom] = {}
        self._passed: set[Atom] = set()
        """What would have left the block already."""
        self._used: Final[dict[Slot, None]] = {}
        self._written: Final[dict[Slot, None]] = {}
        self._leader, self._left = 0, ""
        self._exits: Final[list[tuple[str, Atom, int, Atom]]] = []
        self._falls_through = True

    def text(self, name: str) -> str:
        """Return the function's definition."""
        for leader in sorted(self._flow.leaders):
            self._block(leader)
        blocks, self.lines = self.lines, []
        self._prologue()
        self.lines += blocks
        self._epilogue()
        lines = "\n".join(self.lines)
        return f"define {CONVENTION} @{name}{PARAMETERS} #2 {{\n{lines}\n}}\n"

    # Blocks.

    def _block(self, leader: int) -> None:
        self.line(f"B{leader:x}:")
        self._known, self._dirty, self._computed, self._passed = {}, set(), {}, set()
        self._address, self._falls_through = leader, True
        self._leader, self._left = leader, self.value("load i64, ptr %left")
        while self._is_inner():
            decoded, template = self._flow.code[self._address]
            self._operands = decoded.operands
            self.instruction(template)
            self._address += 4
        if self._falls_through:
            self._save()
            self._go(self._address, self.left(), self._address - 4)

    def _is_inner(self) -> bool:
        """Tell whether the next instruction belongs to the block."""
        address, flow = self._address, self._flow
        is_start = address == self._leader or address not in flow.leaders
        return self._falls_through and address in flow.code and is_start

    def pure(self, op: Pure, args: list[Atom]) -> Atom:
        key = op.code, op.width, op.of, tuple(args)
        if self.is_aside:
            return super().pure(op, args)
        if key not in self._computed:
            self._computed[key] = super().pure(op, args)
        return self._computed[key]

    def exit_if(self, op: ExitIf, values: list[Atom]) -> None:
        if values[op.unless] or values[op.when] not in self._passed:
            super().exit_if(op, values)
        if values[op.unless] == 0:
            self._passed.add(values[op.when])

    def immediate(self, op: Immediate) -> Atom:
        return self._operands[op.operand] & ones(op.width)

    def cia(self) -> Atom:
        return self.ea(self._address)

    def ea(self, address: int) -> int:
        """Return the effective address of code."""
        return (address + self._distance) & M64

    def left(self, completed: int = 0) -> Atom:
        count = (self._address - self._leader) // 4 + completed
        return self.value(f"sub i64 {self._left}, {count * layout.UNIT}") if count else self._left

    def filler(self, field: int) -> str:
        return self.value(f"load ptr, ptr {self.field(field)}")

    def get(self, register: Register) -> Atom:
        slot = self._slot(register)
        if register.operand is not None and slot == (GPR, ZERO_GPR):
            return 0
        value = self._known.get(slot)
        if value is None:
            self._used[slot] = None
            value = self._known[slot] = self._read_slot(slot)
        return value

    def put(self, register: Register, value: Atom) -> None:
        slot = self._slot(register)
        if self._known.get(slot) != value:
            self._known[slot] = value
            self._dirty.add(slot)
            self._written[slot] = None

    def _slot(self, register: Register) -> Slot:
        if register.operand is None:
            return register.cell, register.element
        return register.cell, register.element_for(self._operands[register.operand])

    # Ends.

    def stop_before(self, reason: int) -> None:
        self._save()
        self._exit(self.cia(), reason, self.left())

    def go_on(self) -> None:
        return

    def branch(self, when: Atom, displacement: Atom) -> None:
        assert isinstance(displacement, int)
        target = (self._address + displacement) & M64
        self._end_with(when, lambda left: self._go(target, left, self._address))

    def branch_to(self, when: Atom, address: Atom) -> None:
        _, template = self._flow.code[self._address]
        targets = self._flow.return_sites if returns(template) else self._flow.targets
        self._end_with(when, lambda left: self._go_to(address, sorted(targets), left))

    def leave(self, reason: Exit, address: Atom) -> None:
        self._end_block()
        self._exit(address, reason, self.left(reason.completes))

    def change_mode(self, address: Atom) -> None:
        self._end_block()
        self._exit(address, CHANGES_MODE, self.left(1))

    def _end_block(self) -> None:
        self._falls_through = False
        self._save()

    def _end_with(self, when: Atom, take: Callable[[Atom], None]) -> None:
        """End the block with a branch, which may be known to be taken, or not to be."""
        self._end_block()
        left = self.left(1)
        untaken = self.fork(when) if isinstance(when, str) else None
        if when != 0:
            take(left)
        if untaken is not None:
            self.line(f"{untaken}:")
        if untaken is not None or when == 0:
            self._go(self._address + 4, left, self._address)

    def _go(self, address: int, left: Atom, origin: int) -> None:
        """Go on at a known address; the budget has to cover any way forward in a page."""
        if address not in self._flow.leaders:
            self._exit(self.ea(address), GOES_ON, left)
            return
        elsewhere = address // PAGE != origin // PAGE
        odd = [self.poll(left)] if elsewhere or address <= origin else []
        if elsewhere:
            odd += self.unless_there(address)
        self.line(f"store i64 {left}, ptr %left\nbr label %B{address:x}")
        if odd:
            self._join(odd)
            self._exit(self.ea(address), GOES_ON, left)

    def _go_to(self, address: Atom, known: Sequence[int], left: Atom) -> None:
        """Go on at a computed address, which may be a known one."""
        if known:
            self.line(f"store i64 {left}, ptr %left")
            short = self.poll(left)
            ways = {target: self._way_to(target) for target in known}
            targets = " ".join(f"i64 {self.ea(one)}, label %{way}" for one, way in ways.items())
            self.line(f"switch i64 {address}, label %{short} [{targets}]")
            odd = [short]
            for target, way in ways.items():
                if way != f"B{target:x}":
                    self.line(f"{way}:")
                    odd += self.unless_there(target)
                    self.line(f"br label %B{target:x}")
            self._join(odd)
        self._exit(address, GOES_ON, left)

    def _way_to(self, target: int) -> str:
        """Return the label to go to for a block, where perhaps its page is looked at first."""
        return f"B{target:x}" if target // PAGE == self._address // PAGE else self.label()

    @abstractmethod
    def unless_there(self, address: int) -> list[str]:
        """Go on if code is where it is expected; return the labels for the other case."""

    def _join(self, labels: Sequence[str]) -> None:
        """Append what is at all of these labels."""
        *others, last = labels
        for label in others:
            self.line(f"{label}:\nbr label %{last}")
        self.line(f"{last}:")

    def _save(self) -> None:
        """Store the registers changed in this block to their stack slots."""
        for slot in sorted(self._dirty, key=_name):
            self._write_slot(slot, self._known[slot])

    def _read_slot(self, slot: Slot) -> Atom:
        if _type(slot) != "double":
            return self.load_cell(slot[0], _name(slot))
        double = self.value(f"load double, ptr {_name(slot)}")
        return self.value(f"bitcast double {double} to i64")

    def _write_slot(self, slot: Slot, value: Atom) -> None:
        if _type(slot) == "double":
            double = self.value(f"bitcast i64 {value} to double")
            self.line(f"store double {double}, ptr {_name(slot)}")
        else:
            self.store_cell(slot[0], _name(slot), value)

    def _exit(self, address: Atom, reason: int, left: Atom) -> None:
        label = f"X{len(self._exits)}"
        self._exits.append((label, address, int(reason), left))
        self.line(f"br label %{label}")

    # Ways in and out.

    def _prologue(self) -> None:
        """Load the registers, unless the budget may end within the region."""
        for slot in self._used | self._written:
            self.line(f"{_name(slot)} = alloca {_type(slot)}")
        self.line("%left = alloca i64")
        number = self.value("ptrtoint ptr %ip to i64")
        left = self.value(f"sub i64 %limit, {number}")
        here, short = self.label(), self.poll(left)
        self.line(f"br label %{here}\n{short}:\nbr label %below\nbelow:")
        below = self.value(f"load ptr, ptr {self.beside('%ip', layout.BELOW)}")
        self.line(tail_call(below, "%ip"))
        self.line(f"{here}:\nstore i64 {left}, ptr %left")
        self.load_constants()
        for slot in self._used | self._written:
            value = self.value(f"load {_type(slot)}, ptr {self.field(slot[0].at(slot[1]))}")
            self.line(f"store {_type(slot)} {value}, ptr {_name(slot)}")
        within = self.value(f"and i64 {number}, {layout.RECORDS_SIZE - 1}")
        page = self.read(layout.PAGE_EA)
        offset = self.value(f"lshr i64 {within}, {layout.RECORD_SHIFT}")
        self.enter_at(self.value(f"or i64 {page}, {offset}"), sorted(self._flow.entries))

    @abstractmethod
    def load_constants(self) -> None:
        """Load what does not change while the region runs."""

    @abstractmethod
    def enter_at(self, address: str, entries: Sequence[int]) -> None:
        """Go on at one of the entries."""

    def _epilogue(self) -> None:
        """Write registers back, once for all exits, and look the next address up or stop."""
        for label, *_ in self._exits:
            self.line(f"{label}:\nbr label %out")
        self.line("out:")
        addresses = ", ".join(f"[{address}, %{label}]" for label, address, _, _ in self._exits)
        reasons = ", ".join(f"[{reason}, %{label}]" for label, _, reason, _ in self._exits)
        lefts = ", ".join(f"[{left}, %{label}]" for label, _, _, left in self._exits)
        address = self.value(f"phi i64 {addresses}")
        reason = self.value(f"phi i64 {reasons}")
        left = self.value(f"phi i64 {lefts}")
        for slot in self._written:
            value = self.value(f"load {_type(slot)}, ptr {_name(slot)}")
            self.line(f"store {_type(slot)} {value}, ptr {self.field(slot[0].at(slot[1]))}")
        self.write(CIA.offset, address)
        self._pass_on(reason, GOES_ON, layout.LOOKUP, left)
        self._pass_on(reason, CHANGES_MODE, layout.CONTEXT, left)
        self._pass_on(reason, INTERPRETED, layout.INTERPRET, left)
        self.write(layout.STOP, reason)
        self.write(layout.LEFT, left)
        self.line("ret void")

    def _pass_on(self, reason: str, which: int, field: int, left: str) -> None:
        """Pass control to a function of the interpreter, if that is the reason."""
        other = self.fork(self.value(f"icmp eq i64 {reason}, {which}"))
        self.line(tail_call(self.value(f"load ptr, ptr {self.field(field)}"), "poison", left))
        self.line(f"{other}:")


def _type(slot: Slot) -> str:
    """Return the LLVM type of a register's stack slot."""
    cell, element = slot
    if cell in FLOATS or (cell is VSR and element % 2):
        return "double"
    return f"i{cell.size * 8}"


def _name(slot: Slot) -> str:
    return f"%{slot[0].name}.{slot[1]}"
