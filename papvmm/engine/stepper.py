"""One instruction at a time, with every care: what no fast path of any engine does."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from papvmm.bits import M64
from papvmm.engine.exits import NotBuilt
from papvmm.engine.python.handlers import Operation, careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.engine.tracing import Traced, traced
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.exit import Exit
from papvmm.isa.instruction import Helper, Misaligned
from papvmm.isa.interrupts import is_fp_exception
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_PR, MSR_SF, TRACING
from papvmm.isa.operands import Operand
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, MSR, NOW, ArchState
from papvmm.isa.undescribed import facility_of, undescribed
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.translate import RealMode, Translation, misaligned

KEPT: Final = 1 << 14
"""Instruction words the stepper knows, at most."""
_CIA, _MSR, _NOW = CIA.place, MSR.place, NOW.place
_VARIANTS: Final = MSR_PR | MSR_SF


class Stepped(NamedTuple):
    """What came of an instruction: no exit if nothing but the next one follows.

    If MSR asks for it, a trace interrupt follows when the instruction has completed.
    """

    exit_: Exit | None
    traced: Traced | None


_STEPPED: Final = Stepped(None, None)


class Known(NamedTuple):
    """An instruction word in problem state or not, in 64-bit mode or not."""

    decoded: Decoded
    template: Template
    operation: Operation
    helper: Helper | None
    fields: Mapping[Operand, int]
    """What the helper is given."""


class Stepper:
    """Executes the instruction at CIA, whatever storage it touches and however odd it is."""

    def __init__(
        self, state: ArchState, memory: GuestMemory, translated: Translation, isa: Isa
    ) -> None:
        self._isa: Final = isa
        self._state: Final = state
        self._q: Final = state.doublewords
        self._storage: Final = GuestStorage(memory, RealMode(), translated)
        self._no_code: Final = bytearray()
        self._known: Final[dict[tuple[int, int], Known]] = {}

    def step(self) -> Stepped:
        """Execute and count one instruction.

        Raises ``StorageInterrupt``, with the state as before the instruction.
        """
        msr, word = self._q[_MSR], self._fetch()
        known = self._known.get((word, msr & _VARIANTS)) or self._learn(word, msr & _VARIANTS)
        if known is None:
            return Stepped(undescribed(word, msr, self._isa), None)
        exit_ = self._execute(known)
        if exit_ is None or exit_.completes:
            self._q[_NOW] += 1
        if not msr & TRACING:
            return _STEPPED if exit_ is None else Stepped(exit_, None)
        return Stepped(exit_, traced(known.decoded, known.template, msr, self._storage.touched))

    def _learn(self, word: int, variant: int) -> Known | None:
        """Find out all about an instruction word, and keep it; None if it is illegal."""
        decoded = decode(word, self._isa)
        if decoded is None:
            return None
        template = decoded.instruction.template(
            decoded.statics,
            problem_state=bool(variant & MSR_PR),
            sf=bool(variant & MSR_SF),
            isa=self._isa,
        )
        operation, helper = careful_operation(decoded, template), decoded.instruction.helper
        fields = {} if helper is None else decoded.fields
        if len(self._known) == KEPT:
            self._known.clear()
        known = Known(decoded, template, operation, helper, fields)
        self._known[word, variant] = known
        return known

    def not_built(self) -> NotBuilt:
        """Return the report that the instruction at CIA is not built."""
        word = self._fetch()
        decoded, unit = decode(word, self._isa), facility_of(word, self._isa)
        if decoded is not None:
            what = decoded.instruction.mnemonic
        else:
            what = f"{unit.name.lower() if unit else 'unknown'} instruction"
        return NotBuilt(self._state.read(CIA), word, what)

    def _fetch(self) -> int:
        storage = self._storage
        storage.enter(self._q[_MSR])
        return storage.fetch(self._q[_CIA])

    def _execute(self, known: Known) -> Exit | None:
        state, storage, q = self._state, self._storage, self._q
        cia, (handler, args), helper = q[_CIA], known.operation, known.helper
        nia = handler(q, state.buffer, storage, self._no_code, cia, q[_NOW], args)
        if helper is not None and nia == -Exit.HELPER:
            if known.decoded.instruction.unit:
                settle(state)
            try:
                helper(state, storage, known.fields)
            except Misaligned as access:
                raise misaligned(access.ea) from None
            nia = None
            if known.decoded.instruction.unit and is_fp_exception(state):
                return Exit.FP_ENABLED
        if nia is not None and nia < 0:
            return Exit(-nia)
        q[_CIA] = (cia + 4 if nia is None else nia) & M64
        return None
