"""An engine that says what it executes: the classes of ``-d`` that look at every instruction."""

from collections.abc import Callable, Collection
from typing import Final

from papvmm.engine.engine import Engine
from papvmm.engine.exits import BUDGET_SPENT, ExitReason
from papvmm.engine.watch import Watch
from papvmm.isa.disasm import disassemble
from papvmm.isa.interrupts import Interrupt
from papvmm.isa.msr import MSR_LE
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.machine.guest import Guest
from papvmm.observe.log import CPU, EXEC, IN_ASM
from papvmm.vcpu.vcpu import Vcpu

MOST_KNOWN: Final = 1 << 18
"""Instructions that are remembered as disassembled."""
WORD: Final = 4

PER_INSTRUCTION: Final = frozenset((CPU, EXEC, IN_ASM))


class Narrator:
    """An ``Engine`` that lets another one execute one instruction at a time.

    What is to be executed is told by ``write`` before, and ``registers`` shows them: a vcpu is
    the same to the bit with and without one.
    """

    def __init__(
        self,
        guest: Guest,
        vcpu: Vcpu,
        classes: Collection[str],
        write: Callable[[str], None],
        registers: Callable[[Vcpu], str],
    ) -> None:
        self._guest: Final = guest
        self._vcpu: Final = vcpu
        self._engine: Final[Engine] = vcpu.engine
        self._classes: Final = frozenset(classes)
        self._write: Final = write
        self._show_registers: Final = registers
        self._known: Final[dict[int, int]] = {}
        self._next = -1
        """Where the instruction after the one disassembled last is."""

    @property
    def state(self) -> ArchState:
        """The registers."""
        return self._engine.state

    @property
    def breakpoints(self) -> set[int]:
        """Effective addresses to stop at."""
        return self._engine.breakpoints

    @property
    def watchpoints(self) -> set[Watch]:
        """Accesses to stop for."""
        return self._engine.watchpoints

    @property
    def interrupted(self) -> list[Callable[[Interrupt], None]]:
        """Who is told of interrupts."""
        return self._engine.interrupted

    def locate(self, ea: int) -> int | None:
        """Return where data are; see ``Engine``."""
        return self._engine.locate(ea)

    def kick(self) -> None:
        """Have a run end; see ``Engine``."""
        self._engine.kick()

    def run(self, budget: int) -> ExitReason:
        """Run as any engine does."""
        end = self.state.read(NOW) + budget
        reason: ExitReason = BUDGET_SPENT
        while reason is BUDGET_SPENT and self.state.read(NOW) != end:
            self._tell()
            reason = self._engine.run(1)
        return reason

    def _tell(self) -> None:
        cia = self.state.read(CIA)
        if IN_ASM in self._classes:
            self._disassemble(cia)
        if EXEC in self._classes:
            where = self._guest.describe(cia)
            icount = self.state.read(NOW) - self._guest.clock.warped
            self._write(f"{EXEC}: vcpu{self._vcpu.vcpu_id} @{icount:,} {where}")
        if CPU in self._classes:
            self._write(self._show_registers(self._vcpu).rstrip("\n"))

    def _disassemble(self, cia: int) -> None:
        """Show the instruction at CIA, unless that was done before."""
        ra = self._engine.locate(cia)
        memory = self._guest.memory
        if ra is None or not memory.holds(ra, WORD):
            return
        load = memory.load_le if self.state.read(MSR) & MSR_LE else memory.load_be
        word = load(ra, WORD)
        if self._known.get(cia) == word:
            return
        if len(self._known) >= MOST_KNOWN:
            self._known.clear()
        self._known[cia] = word
        if cia != self._next:
            self._write(f"{IN_ASM}: vcpu{self._vcpu.vcpu_id} {self._guest.describe(cia)}:")
        self._next = cia + WORD
        self._write(f"{cia:#018x}:  {word:08x}  {disassemble(word, cia)}")


def narrate(
    guest: Guest,
    classes: Collection[str],
    write: Callable[[str], None],
    registers: Callable[[Vcpu], str],
) -> None:
    """Have every vcpu of a guest run by a narrator, from now on."""
    for vcpu in guest.vcpus:
        vcpu.engine = Narrator(guest, vcpu, classes, write, registers)
