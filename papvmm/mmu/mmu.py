"""The memory management unit of one vcpu: which translations its registers ask for."""

from collections.abc import Callable
from typing import Final, NamedTuple

from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import AMR, IAMR, LPCR, LPCR_HR, MSR, PID, PROCESS_TABLE, ArchState
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.hash_spaces import HashSpaces
from papvmm.mmu.hash_table import HashTable
from papvmm.mmu.page_tables import PageTables
from papvmm.mmu.space import Space
from papvmm.mmu.translate import Access

_MSR, _PID, _AMR, _IAMR, _LPCR, _PROCESS_TABLE = (
    cell.place for cell in (MSR, PID, AMR, IAMR, LPCR, PROCESS_TABLE)
)

HASHED: Final = -1
"""Stands for the hashed page table in ``Meaning.tables``."""


class Meaning(NamedTuple):
    """What translations depend on in a vcpu's registers, besides the MSR.

    Where two have the same ``tables``, all that differs are the keys of privileged state:
    bits 0:1 of AMR, and bit 1 of IAMR.
    """

    tables: tuple[int, ...]
    amr: int
    iamr: int


class Tables:
    """The tables of one guest, which its vcpus share: both kinds."""

    def __init__(self, memory: GuestMemory, hash_table: HashTable) -> None:
        self.memory: Final = memory
        self.radix: Final = PageTables(memory)
        self.hashed: Final = hash_table


class Mmu:
    """Translates for one vcpu, by the registers as they are at each access. See ``Translation``.

    It does so by radix trees once the guest has registered a process table for them, and by the
    SLB and the hashed page table before.
    """

    def __init__(self, state: ArchState, tables: Tables) -> None:
        self.state: Final = state
        self._q: Final = state.doublewords
        self.tables: Final = tables
        self._hashed: Final = HashSpaces(state, tables.memory, tables.hashed)

    def translate(self, ea: int, access: Access) -> int:
        """Return the real address of the byte at ``ea``; raises ``StorageInterrupt``."""
        return self.space(fetches=access is Access.FETCH).translate(ea, access)

    def peek(self, ea: int, access: Access) -> int:
        """Return, or raise, what ``translate`` would; but record no access."""
        return self.space(fetches=access is Access.FETCH).peek(ea, access)

    def locate(self, ea: int) -> int:
        """Return the real address of the byte at ``ea``, whoever may access it.

        Raises ``StorageInterrupt`` if there is none.
        """
        return self.space(fetches=False).locate(ea)

    def space(self, *, fetches: bool) -> Space:
        """Return what is known where translation is on."""
        q = self._q
        problem_state = q[_MSR] & MSR_PR
        if not q[_LPCR] & LPCR_HR:
            return self._hashed.space(
                problem_state=bool(problem_state),
                class_keys=q[_IAMR if fetches else _AMR],
                is_for_fetches=fetches,
            )
        keys = 0 if problem_state else q[_IAMR if fetches else _AMR] >> 62
        return self.tables.radix.space(q[_PROCESS_TABLE], q[_PID], problem_state, keys, fetches)

    def meaning(self) -> Meaning:
        """Return what else than the MSR the registers say; forget what they say no longer."""
        q = self._q
        if q[_LPCR] & LPCR_HR:
            return Meaning((q[_PROCESS_TABLE], q[_PID]), q[_AMR] >> 62, q[_IAMR] >> 62 & 1)
        self._hashed.look_again()
        return Meaning((HASHED, q[_AMR], q[_IAMR]), 0, 0)

    def on_forget(self, listener: Callable[[Space | None, int], None]) -> None:
        """Have a listener called when what a page leads to is forgotten.

        It gets the page's space and number; without a space, all pages are forgotten.
        """
        self.tables.radix.on_forget.append(listener)
        self._hashed.on_forget.append(listener)
