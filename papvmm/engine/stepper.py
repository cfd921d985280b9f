"""One instruction at a time, with every care: what no fast path of any engine does."""

from typing import Final

from papvmm.engine.python.handlers import careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.instruction import Misaligned
from papvmm.isa.ir import Exit, Template
from papvmm.isa.msr import MSR_PR, MSR_SF
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.isa.undescribed import undescribed
from papvmm.mmu.translate import misaligned


class Stepper:
    """Executes the instruction at CIA, whatever storage it touches and however odd it is."""

    def __init__(self, state: ArchState, storage: GuestStorage) -> None:
        self._state: Final = state
        self._q: Final = state.buffer.cast("Q")
        self._storage: Final = storage

    def step(self) -> Exit | None:
        """Execute and count one instruction; None if nothing but the next one follows.

        Raises ``StorageInterrupt``, with the state as before the instruction.
        """
        state = self._state
        self._storage.enter(state.read(MSR))
        cia = state.read(CIA)
        word = self._storage.fetch(cia)
        decoded = decode(word)
        if decoded is None:
            return undescribed(word, state.read(MSR))
        exit_ = self._execute(decoded, cia)
        if exit_ is None or exit_.completes:
            state.write(NOW, state.read(NOW) + 1)
        return exit_

    def template(self, decoded: Decoded) -> Template:
        """Return what an instruction does in the present state."""
        msr = self._state.read(MSR)
        return decoded.instruction.template(
            decoded.statics, problem_state=bool(msr & MSR_PR), sf=bool(msr & MSR_SF)
        )

    def _execute(self, decoded: Decoded, cia: int) -> Exit | None:
        state = self._state
        handler, args = careful_operation(decoded, self.template(decoded))
        nia = handler(self._q, state.buffer, self._storage, bytearray(), cia, state.read(NOW), args)
        if nia == -Exit.HELPER and decoded.instruction.helper is not None:
            try:
                decoded.instruction.helper(state, self._storage, decoded.operands)
            except Misaligned as access:
                raise misaligned(access.ea) from None
            nia = None
        if nia is not None and nia < 0:
            return Exit(-nia)
        state.write(CIA, cia + 4 if nia is None else nia)
        return None
