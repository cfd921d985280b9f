"""Why an engine handed control back to the machine: a closed union, handled with ``match``."""

from typing import Final, TypeAlias

from papvmm.engine.watch import Watch
from papvmm.values import Value


class PaprHcall(Value):
    """The guest executed ``sc 1`` outside problem state: token in r3, arguments in r4 on.

    CIA is already past the ``sc``; the machine puts the status into r3.
    """


class BudgetSpent(Value):
    """Exactly ``budget`` instructions were completed; the guest is healthy."""


class Kicked(Value):
    """The host wants its turn: ``Engine.kick`` was called; the guest is healthy."""


class Breakpoint(Value):
    """CIA is at a breakpoint whose instruction has not been executed."""

    cia: int


class Watchpoint(Value):
    """The instruction at CIA, which has not been executed, is about to access watched bytes.

    It would access ``length`` bytes at ``ea``, which are allowed and in RAM. An instruction
    that accesses several times in this way has done nothing either.

    gdb expects exactly this of a Power processor: told of a watchpoint, it executes one more
    instruction before it compares or shows the value.
    """

    cia: int
    ea: int
    length: int
    is_store: bool
    watch: Watch


class NotBuilt(Value):
    """A valid instruction or mode that papvmm does not execute yet."""

    cia: int
    word: int
    what: str


class Crash(Value):
    """The vcpu can't go on, as when every interrupt handler faults at its first instruction."""

    cia: int
    why: str


PAPR_HCALL: Final = PaprHcall()
BUDGET_SPENT: Final = BudgetSpent()
KICKED: Final = Kicked()

ExitReason: TypeAlias = (
    PaprHcall | BudgetSpent | Kicked | Breakpoint | Watchpoint | NotBuilt | Crash
)
