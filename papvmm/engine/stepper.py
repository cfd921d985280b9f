"""One instruction at a time, with every care: what no fast path of any engine does."""

from typing import Final, NamedTuple

from papvmm.engine.exits import NotBuilt
from papvmm.engine.python.handlers import careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.engine.tracing import Traced, traced
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.exit import Exit
from papvmm.isa.instruction import Misaligned
from papvmm.isa.interrupts import is_fp_exception
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_PR, MSR_SF
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.isa.undescribed import facility_of, undescribed
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.translate import RealMode, Translation, misaligned


class Stepped(NamedTuple):
    """What came of an instruction: no exit if nothing but the next one follows.

    If MSR asks for it, a trace interrupt follows when the instruction has completed.
    """

    exit_: Exit | None
    traced: Traced | None


class Stepper:
    """Executes the instruction at CIA, whatever storage it touches and however odd it is."""

    def __init__(self, state: ArchState, memory: GuestMemory, translated: Translation) -> None:
        self._state: Final = state
        self._q: Final = state.doublewords
        self._storage: Final = GuestStorage(memory, RealMode(), translated)
        self._no_code: Final = bytearray()

    def step(self) -> Stepped:
        """Execute and count one instruction.

        Raises ``StorageInterrupt``, with the state as before the instruction.
        """
        state = self._state
        msr, word = state.read(MSR), self._fetch()
        decoded = decode(word)
        if decoded is None:
            return Stepped(undescribed(word, msr), None)
        template = decoded.instruction.template(
            decoded.statics, problem_state=bool(msr & MSR_PR), sf=bool(msr & MSR_SF)
        )
        exit_ = self._execute(decoded, template)
        if exit_ is None or exit_.completes:
            state.write(NOW, state.read(NOW) + 1)
        return Stepped(exit_, traced(decoded, template, msr, self._storage.touched))

    def not_built(self) -> NotBuilt:
        """Return the report that the instruction at CIA is not built."""
        word = self._fetch()
        decoded, unit = decode(word), facility_of(word)
        if decoded is not None:
            what = decoded.instruction.mnemonic
        else:
            what = f"{unit.name.lower() if unit else 'unknown'} instruction"
        return NotBuilt(self._state.read(CIA), word, what)

    def _fetch(self) -> int:
        state, storage = self._state, self._storage
        storage.enter(state.read(MSR))
        return storage.fetch(state.read(CIA))

    def _execute(self, decoded: Decoded, template: Template) -> Exit | None:
        state, storage = self._state, self._storage
        cia, now = state.read(CIA), state.read(NOW)
        handler, args = careful_operation(decoded, template)
        nia = handler(self._q, state.buffer, storage, self._no_code, cia, now, args)
        helper = decoded.instruction.helper
        if nia == -Exit.HELPER and helper is not None:
            if decoded.instruction.unit:
                settle(state)
            try:
                helper(state, storage, decoded.fields)
            except Misaligned as access:
                raise misaligned(access.ea) from None
            nia = None
            if decoded.instruction.unit and is_fp_exception(state):
                return Exit.FP_ENABLED
        if nia is not None and nia < 0:
            return Exit(-nia)
        state.write(CIA, cia + 4 if nia is None else nia)
        return None
