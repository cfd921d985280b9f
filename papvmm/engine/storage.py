"""Guest storage for the few instructions that Python executes on every engine."""

from typing import Final, Literal

from papvmm.engine.stops import Stop
from papvmm.isa.decode import decode
from papvmm.isa.state import CIA, FAULT_EA, NOW, ArchState


class StorageFault(Exception):
    """An access outside guest storage, at ``ea``."""

    def __init__(self, ea: int) -> None:
        super().__init__(f"no storage at {ea:#x}")
        self.ea: Final = ea


class GuestStorage:
    """Guest RAM in one byte order, addressed by effective address in real mode."""

    def __init__(self, ram: memoryview, *, little_endian: bool) -> None:
        self._ram: Final = ram
        self._order: Final[Literal["little", "big"]] = "little" if little_endian else "big"

    def fetch(self, cia: int) -> int:
        """Return an instruction word: 0, which is illegal, outside storage."""
        return int.from_bytes(self._ram[cia : cia + 4], self._order)

    def load(self, ea: int, size: int) -> int:
        """Return ``size`` bytes as a number."""
        return int.from_bytes(self._ram[self._within(ea, size)], self._order)

    def store(self, ea: int, size: int, value: int) -> None:
        """Write ``size`` bytes."""
        self._ram[self._within(ea, size)] = value.to_bytes(size, self._order)

    def _within(self, ea: int, size: int) -> slice:
        if ea + size > len(self._ram):
            raise StorageFault(ea)
        return slice(ea, ea + size)


def finish_helper(state: ArchState, storage: GuestStorage) -> Stop:
    """Execute and count the instruction at CIA by its helper; NONE unless it faults."""
    cia = state.read(CIA)
    decoded = decode(storage.fetch(cia))
    if decoded is None or decoded.instruction.helper is None:
        raise ValueError(f"no helper instruction at {cia:#x}")
    try:
        decoded.instruction.helper(state, storage, decoded.operands)
    except StorageFault as fault:
        state.write(FAULT_EA, fault.ea)
        return Stop.DATA_STORAGE
    state.write(CIA, cia + 4)
    state.write(NOW, state.read(NOW) + 1)
    return Stop.NONE
