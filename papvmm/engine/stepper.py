"""One instruction at a time, with every care: what no fast path of any engine does."""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from papvmm.bits import M64
from papvmm.engine.exits import NotBuilt
from papvmm.engine.python.handlers import Operation, careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.engine.tracing import Traced, traced
from papvmm.engine.watch import Watch
from papvmm.isa.decode import Decoded, decode
from papvmm.isa.exit import Exit
from papvmm.isa.facilities import Facility
from papvmm.isa.instruction import Helper, Misaligned
from papvmm.isa.interrupts import ACROSS_BOUNDARY, PREFIXED, Interrupt, is_fp_exception
from papvmm.isa.ir import Template
from papvmm.isa.msr import MSR_PR, MSR_SF, TRACING
from papvmm.isa.operands import Operand
from papvmm.isa.prefixed import (
    LENGTH,
    crosses_boundary,
    decode_prefixed,
    facility_of_prefixed,
    is_prefix,
)
from papvmm.isa.softfloat.record import settle
from papvmm.isa.state import CIA, FSCR, MSR, NOW, ArchState
from papvmm.isa.undescribed import facility_of, undescribed, without_description
from papvmm.isa.versions import Isa
from papvmm.memory.guest_memory import GuestMemory
from papvmm.mmu.translate import RealMode, StorageInterrupt, Translation, misaligned

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
        self,
        state: ArchState,
        memory: GuestMemory,
        translated: Translation,
        isa: Isa,
        watches: Collection[Watch] = (),
    ) -> None:
        self._isa: Final = isa
        self._state: Final = state
        self._q: Final = state.doublewords
        self._storage: Final = GuestStorage(memory, RealMode(), translated, isa, watches)
        self._no_code: Final = bytearray()
        self._known: Final[dict[tuple[int, int], Known]] = {}
        self.causes = 0
        """SRR1 bits of any interrupt that the latest instruction causes."""

    def step(self, *, heeds: bool = True) -> Stepped:
        """Execute and count one instruction, perhaps heeding watches.

        Raises ``StorageInterrupt`` or ``Watched``, with the state as before the instruction. In
        the latter case ``undo`` makes RAM what it was, too.
        """
        self.causes = 0
        msr = self._q[_MSR]
        word = self._fetch(heeds=heeds)
        if self._isa >= Isa.V3_1 and is_prefix(word):
            return self._step_prefixed(word, msr)
        known = self._known.get((word, msr & _VARIANTS)) or self._learn(word, msr & _VARIANTS)
        if known is None:
            return Stepped(undescribed(word, msr, self._isa), None)
        return self._complete(known, msr, 4)

    def undo(self) -> None:
        """Take back what an instruction stored that turned out to be watched."""
        self._storage.undo()

    def _step_prefixed(self, prefix: int, msr: int) -> Stepped:
        """Execute and count an instruction of two words, the first of which is this."""
        cia = self._q[_CIA]
        self.causes = PREFIXED
        if crosses_boundary(cia):
            raise StorageInterrupt(Interrupt.ALIGNMENT, cia, srr1=ACROSS_BOUNDARY)
        if msr & MSR_PR and not self._state.read(FSCR) & Facility.PREFIX.fscr_bit:
            return Stepped(Exit.FACILITY_PREFIX, None)
        suffix = self._storage.fetch(cia + 4)
        decoded = decode_prefixed(prefix, suffix, cia)
        if decoded is None:
            return Stepped(without_description(facility_of_prefixed(prefix, suffix), msr), None)
        return self._complete(self._understand(decoded, msr), msr, LENGTH)

    def _complete(self, known: Known, msr: int, length: int) -> Stepped:
        """Execute and count an instruction of so many bytes."""
        exit_ = self._execute(known, length)
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
        if len(self._known) == KEPT:
            self._known.clear()
        known = self._known[word, variant] = self._understand(decoded, variant)
        return known

    def _understand(self, decoded: Decoded, msr: int) -> Known:
        template = decoded.instruction.template(
            decoded.statics,
            problem_state=bool(msr & MSR_PR),
            sf=bool(msr & MSR_SF),
            isa=self._isa,
        )
        operation, helper = careful_operation(decoded, template), decoded.instruction.helper
        fields = {} if helper is None else decoded.fields
        return Known(decoded, template, operation, helper, fields)

    def not_built(self) -> NotBuilt:
        """Return the report that the instruction at CIA is not built."""
        word = self._fetch()
        decoded, unit = decode(word, self._isa), facility_of(word, self._isa)
        if self._isa >= Isa.V3_1 and is_prefix(word):
            what = "prefixed instruction"
        elif decoded is not None:
            what = decoded.instruction.mnemonic
        else:
            what = f"{unit.name.lower() if unit else 'unknown'} instruction"
        return NotBuilt(self._state.read(CIA), word, what)

    def _fetch(self, *, heeds: bool = False) -> int:
        storage = self._storage
        storage.enter(self._q[_MSR], heeds=heeds)
        return storage.fetch(self._q[_CIA])

    def _execute(self, known: Known, length: int) -> Exit | None:
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
        q[_CIA] = (cia + length if nia is None else nia) & M64
        return None
