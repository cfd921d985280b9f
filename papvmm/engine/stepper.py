"""One instruction at a time, with every care: what no fast path of any engine does."""

from typing import Final, NamedTuple

from papvmm.engine.python.handlers import careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.exit import Exit
from papvmm.isa.instruction import Misaligned
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_FE, MSR_PR, MSR_SF
from papvmm.isa.softfloat.fpscr import FEX
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, FPSCR, MSR, NOW, ArchState
from papvmm.isa.undescribed import undescribed
from papvmm.mmu.translate import misaligned


def is_fp_exception(state: ArchState) -> bool:
    """Tell whether an enabled floating-point exception is there and is to be an interrupt."""
    return bool(state.read(MSR) & MSR_FE and state.read(FPSCR) & FEX)


class Met(NamedTuple):
    """The instruction that was executed, or was to be."""

    decoded: Decoded
    template: Template


class Stepper:
    """Executes the instruction at CIA, whatever storage it touches and however odd it is."""

    def __init__(self, state: ArchState, storage: GuestStorage) -> None:
        self._state: Final = state
        self._q: Final = state.doublewords
        self._storage: Final = storage
        self._no_code: Final = bytearray()

    def step(self) -> tuple[Exit | None, Met | None]:
        """Execute and count one instruction: no exit if nothing but the next one follows.

        Raises ``StorageInterrupt``, with the state as before the instruction.
        """
        state = self._state
        msr = state.read(MSR)
        self._storage.enter(msr)
        word = self._storage.fetch(state.read(CIA))
        decoded = decode(word)
        if decoded is None:
            return undescribed(word, msr), None
        template = decoded.instruction.template(
            decoded.statics, problem_state=bool(msr & MSR_PR), sf=bool(msr & MSR_SF)
        )
        met = Met(decoded, template)
        exit_ = self._execute(met)
        if exit_ is None or exit_.completes:
            state.write(NOW, state.read(NOW) + 1)
        return exit_, met

    def _execute(self, met: Met) -> Exit | None:
        state, storage = self._state, self._storage
        cia, now = state.read(CIA), state.read(NOW)
        handler, args = careful_operation(*met)
        nia = handler(self._q, state.buffer, storage, self._no_code, cia, now, args)
        helper = met.decoded.instruction.helper
        if nia == -Exit.HELPER and helper is not None:
            if met.decoded.instruction.unit:
                settle(state)
            try:
                helper(state, storage, met.decoded.fields)
            except Misaligned as access:
                raise misaligned(access.ea) from None
            nia = None
            if met.decoded.instruction.unit and is_fp_exception(state):
                return Exit.FP_ENABLED
        if nia is not None and nia < 0:
            return Exit(-nia)
        state.write(CIA, cia + 4 if nia is None else nia)
        return None
