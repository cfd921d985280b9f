"""Lock-step: two engines run the same guest, and the first difference is reported.

The engine that is checked runs on the guest's RAM; a Python engine follows on a twin of it,
where the first store of a step into each line is noticed. After each step both must have the
same registers, stopped for the same reason, and stored the same. If not, both go back to the
step's beginning, from where they are run one instruction at a time.
"""

from collections.abc import Callable, Iterator
from typing import Final

from papvmm.engine.code_marks import CODE_NATIVE_NEXT, CODE_WATCHED
from papvmm.engine.engine import Engine
from papvmm.engine.exits import BudgetSpent, ExitReason, Kicked
from papvmm.engine.watch import Watch
from papvmm.errors import PapvmmError
from papvmm.isa.decode import decode
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_LE, MSR_PR, MSR_SF
from papvmm.isa.state import CELLS, CIA, MSR, NOW, ArchState
from papvmm.memory.guest_memory import CODE_LINE, GuestMemory

STEP: Final = 5_000
"""Instructions between two comparisons."""
WHOLE: Final = 200
"""Steps between two comparisons of all RAM."""


class EnginesDiffer(PapvmmError):
    """Two engines did not do the same; the text says where, and what."""


DOUBLEWORD: Final = 8
CROSSED: Final = CODE_NATIVE_NEXT
"""On every line of the twin, whose Python engine has no other use for it: a store that begins
on a line that is no longer watched may cross into one that is."""


class Twin:
    """A copy of RAM, and which of its lines were stored to since the latest step."""

    def __init__(self, memory: GuestMemory) -> None:
        self.original: Final = memory
        self.memory: Final = GuestMemory(memory.size)
        self.memory.code[:] = bytes([CODE_WATCHED | CROSSED]) * len(memory.code)
        self.before: Final = GuestMemory(memory.size)
        """RAM as it was before the step."""
        self._stored: Final[set[int]] = set()
        """Lines that are not watched until the next step."""
        self.is_stepping = False
        memory.on_write(self._follow)
        self.memory.on_write(self._note)

    def _follow(self, gpa: int, length: int) -> None:
        """Do what others than the engines do to RAM."""
        if not self.is_stepping:
            data = self.original.read(gpa, length)
            self.before.write(gpa, data)
            self.memory.write(gpa, data)
            self._watch()

    def _note(self, gpa: int, length: int) -> None:
        code = self.memory.code
        for line in range(gpa // CODE_LINE, (gpa + length - 1) // CODE_LINE + 1):
            self._stored.add(line)
            code[line] &= ~CODE_WATCHED

    def _watch(self) -> None:
        """Notice stores everywhere."""
        code = self.memory.code
        for line in self._stored:
            code[line] |= CODE_WATCHED
        self._stored.clear()

    def differences(self, *, everywhere: bool) -> Iterator[str]:
        """Yield where RAM differs: where the twin was stored to, or anywhere."""
        mine, theirs = self.original.ram, self.memory.ram
        for gpa in map(_begin, sorted(self._stored)):
            if mine[gpa : gpa + CODE_LINE].tobytes() != theirs[gpa : gpa + CODE_LINE].tobytes():
                yield from self._doublewords(gpa)
        if everywhere and mine.cast("Q") != theirs.cast("Q"):
            gpa = next(at for at in range(self.memory.size) if mine[at] != theirs[at])
            yield f"memory at {gpa:#x} was stored to by one engine only"

    def _doublewords(self, line: int) -> Iterator[str]:
        for gpa in range(line, line + CODE_LINE, DOUBLEWORD):
            mine, theirs = (m.read(gpa, DOUBLEWORD) for m in (self.original, self.memory))
            if mine != theirs:
                yield f"memory at {gpa:#x} is {mine.hex()}, should be {theirs.hex()}"

    def accept(self) -> None:
        """Begin the next step."""
        before, now = self.before.ram, self.memory.ram
        for gpa in map(_begin, self._stored):
            before[gpa : gpa + CODE_LINE] = now[gpa : gpa + CODE_LINE]
        self._watch()

    def go_back(self) -> None:
        """Undo the step."""
        self.memory.write(0, self.before.ram)
        self.original.write(0, self.before.ram)
        self._watch()


def _begin(line: int) -> int:
    return line * CODE_LINE


class Lockstep:
    """An ``Engine`` that is checked against another one."""

    def __init__(self, checked: Engine, follower: Engine, twin: Twin) -> None:
        self._checked: Final = checked
        self._follower: Final = follower
        self._twin: Final = twin
        self._steps = 0
        self._is_kicked = False

    @property
    def state(self) -> ArchState:
        """The registers."""
        return self._checked.state

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at."""
        return self._checked.breakpoints

    @property
    def watchpoints(self) -> set[Watch]:
        """Accesses to stop for."""
        return self._checked.watchpoints

    @property
    def interrupted(self) -> list[Callable[[Interrupt], None]]:
        """Who is told of interrupts."""
        return self._checked.interrupted

    def locate(self, ea: int) -> int | None:
        """Return where data are; see ``Engine``."""
        return self._checked.locate(ea)

    def run(self, budget: int) -> ExitReason:
        """Run as any engine does; raises EnginesDiffer."""
        end = self.state.read(NOW) + budget
        self._follower.breakpoints.clear()
        self._follower.breakpoints.update(self.breakpoints)
        self._follower.watchpoints.clear()
        self._follower.watchpoints.update(self.watchpoints)
        reason: ExitReason = BudgetSpent()
        while reason == BudgetSpent() and (left := end - self.state.read(NOW)):
            before = bytes(self.state.buffer)
            self._steps += 1
            reason, complaints = self._step(min(left, STEP), everywhere=self._steps % WHOLE == 0)
            if complaints:
                raise EnginesDiffer(self._report(before, min(left, STEP), complaints))
            self._twin.accept()
            if self._is_kicked and reason == BudgetSpent():
                self._is_kicked = False
                return Kicked()
        return reason

    def kick(self) -> None:
        """Have a run end after its step; see ``Engine``."""
        self._is_kicked = True

    def _step(self, budget: int, *, everywhere: bool) -> tuple[ExitReason, list[str]]:
        """Run both engines; return why the checked one stopped, and what differs."""
        twin, state, other = self._twin, self.state, self._follower.state
        other.buffer[:] = state.buffer
        twin.is_stepping = True
        reason = self._checked.run(budget)
        twin.is_stepping = False
        expected = self._follower.run(budget)
        complaints = [] if reason == expected else [f"it stopped with {reason}, not {expected}"]
        if state.buffer != other.buffer:
            complaints += _registers(state, other)
        complaints += twin.differences(everywhere=everywhere)
        return reason, complaints

    def _report(self, before: bytes, budget: int, complaints: list[str]) -> str:
        """Find the instruction that differs, and describe it and the difference."""
        twin, state = self._twin, self.state
        twin.is_stepping = True
        twin.go_back()
        state.buffer[:] = before
        start = state.read(NOW)
        while state.read(NOW) - start < budget:
            before = bytes(state.buffer)
            reason, found = self._step(1, everywhere=False)
            if found:
                return "\n".join((*self._describe(before), *found))
            if reason != BudgetSpent():
                break
            twin.accept()
        told = f"between counts {start} and {start + budget}, though not one by one"
        return "\n".join((f"the engines differ {told}", *complaints))

    def _describe(self, before: bytes) -> Iterator[str]:
        """Yield the instruction, its meaning and the registers before it."""
        from papvmm.isa.disasm import disassemble  # noqa: PLC0415 - needed once, if ever

        state = ArchState(memoryview(bytearray(before)))
        cia, msr = state.read(CIA), state.read(MSR)
        yield f"the engines differ at count {state.read(NOW)}, MSR {msr:#x}:"
        if not self._twin.before.holds(cia, 4):
            yield f"{cia:#x}"
            return
        word = int.from_bytes(self._twin.before.read(cia, 4), "little" if msr & MSR_LE else "big")
        yield f"{cia:#x}  {word:08x}  {disassemble(word, cia)}"
        decoded = decode(word)
        if decoded is not None:
            yield str(
                decoded.instruction.template(
                    decoded.statics, problem_state=bool(msr & MSR_PR), sf=bool(msr & MSR_SF)
                )
            )
        zeros = ArchState()
        yield from (f"before: {line}" for line in _registers(state, zeros))


def _registers(state: ArchState, other: ArchState) -> Iterator[str]:
    """Yield the registers that differ."""
    for cell in CELLS.values():
        for index in range(cell.count):
            mine, theirs = state.read(cell, index), other.read(cell, index)
            if mine != theirs:
                name = f"{cell.name}[{index}]" if cell.count > 1 else cell.name
                yield f"{name} is {mine:#x}, should be {theirs:#x}"
