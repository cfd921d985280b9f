"""The memory management unit of one vcpu: which translations its registers ask for."""

from typing import Final

from papvmm.isa.msr import MSR_PR
from papvmm.isa.state import AMR, IAMR, LPCR, LPCR_HR, MSR, PID, PROCESS_TABLE, ArchState
from papvmm.mmu.page_tables import PageTables, Space
from papvmm.mmu.translate import Access, not_found

_MSR, _PID, _AMR, _IAMR, _LPCR, _PROCESS_TABLE = (
    cell.place for cell in (MSR, PID, AMR, IAMR, LPCR, PROCESS_TABLE)
)


class Mmu:
    """Translates for one vcpu, by the registers as they are at each access. See ``Translation``.

    There is radix translation once the guest has registered a process table for it.
    """

    def __init__(self, state: ArchState, tables: PageTables) -> None:
        self.state: Final = state
        self._q: Final = state.doublewords
        self.tables: Final = tables

    def translate(self, ea: int, access: Access) -> int:
        """Return the real address of the byte at ``ea``; raises ``StorageInterrupt``."""
        space = self.space(fetches=access is Access.FETCH)
        if space is None:
            raise not_found(ea, access)
        return self.tables.translate(space, ea, access)

    def space(self, *, fetches: bool) -> Space | None:
        """Return what is known where translation is on; None if there is nothing to know."""
        q = self._q
        if not q[_LPCR] & LPCR_HR:
            return None
        problem_state = q[_MSR] & MSR_PR
        keys = 0 if problem_state else q[_IAMR if fetches else _AMR] >> 62
        return self.tables.space(q[_PROCESS_TABLE], q[_PID], problem_state, keys, fetches)
