"""The Python engine, for guests that another engine runs as far as it can.

Most of them never need it, so it is imported when one does.
"""

from functools import cached_property
from typing import TYPE_CHECKING, Final

from papvmm.engine.watch import Watch
from papvmm.isa.state import ArchState
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.mmu import Mmu

if TYPE_CHECKING:
    from papvmm.engine.python.code_cache import CodeCache
    from papvmm.engine.python.executor import PythonExecutor


class OnDemand:
    """Makes executors for the vcpus of one guest, which share their code."""

    def __init__(self, memory: GuestMemory, isa: Isa = Isa.V3_0) -> None:
        self._memory: Final = memory
        self._isa: Final = isa
        self._has_cache = False

    @property
    def traces(self) -> int:
        """How many traces have been made: lines of code are marked for each."""
        return self._cache.made if self._has_cache else 0

    @cached_property
    def _cache(self) -> "CodeCache":
        from papvmm.engine.python.code_cache import CodeCache  # noqa: PLC0415 - on demand

        self._has_cache = True
        return CodeCache(self._memory)

    def executor(
        self,
        state: ArchState,
        breakpoints: set[int],
        watchpoints: set[Watch],
        mmu: Mmu | None,
    ) -> "PythonExecutor":
        """Return an executor on the state of a vcpu, which has these break- and watchpoints."""
        from papvmm.engine.python.executor import PythonExecutor  # noqa: PLC0415 - on demand

        return PythonExecutor(
            state,
            self._memory,
            self._cache,
            mmu,
            breakpoints=breakpoints,
            watchpoints=watchpoints,
            isa=self._isa,
        )
