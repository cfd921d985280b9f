"""Special purpose registers from outside: what mfspr would read in privileged state, and mtspr set.

The instructions' own descriptions say it; looking leaves every cell of the state as it was.
"""

from collections.abc import Iterator
from functools import cache
from typing import Final

from papvmm.engine.python.handlers import Operation, careful_operation
from papvmm.engine.storage import GuestStorage
from papvmm.isa.decode import decode
from papvmm.isa.encode import assemble
from papvmm.isa.facilities import Facility
from papvmm.isa.spec.sprmove import READ, WRITE
from papvmm.isa.sprs import SPRS, Access, Spr
from papvmm.isa.state import CELLS, GPR, NOW, ArchState
from papvmm.isa.versions import Isa
from papvmm.mmu.translate import RealMode
from papvmm.vcpu.vcpu import Vcpu

SCRATCH: Final = 3
"""The GPR that carries a value."""
OWN_TIME: Final = ("PURR", "SPURR", "VTB", "IC")
"""What stands still while another vcpu has the turn."""


def registers_of(isa: Isa) -> Iterator[Spr]:
    """Yield a row for each SPR that a processor has: the one that shows most of it."""
    seen = set()
    for row in sorted(SPRS.values(), key=lambda row: -row.number):
        is_there = row.versions & isa and row.facility is not Facility.TM
        if is_there and Access.R in row.access and row.name not in seen:
            seen.add(row.name)
            yield row


def read_spr(vcpu: Vcpu, spr: Spr) -> int:
    """Return the value of an SPR."""
    if spr.name not in READ:
        return vcpu.state.read(CELLS[spr.name.lower()])
    state = ArchState(memoryview(bytearray(vcpu.state.buffer)))
    _set_time(state, vcpu, spr)
    _execute(vcpu, state, f"mfspr {SCRATCH},{spr.number}")
    return state.read(GPR, SCRATCH)


def write_spr(vcpu: Vcpu, name: str, value: int) -> bool:
    """Give an SPR a value; return False if no instruction can."""
    rows = [row for row in SPRS.values() if row.name == name and Access.W in row.access]
    if not rows:
        return False
    row = max(rows, key=lambda row: row.number)
    if name not in WRITE:
        vcpu.state.write(CELLS[name.lower()], value)
        return True
    state = ArchState(memoryview(bytearray(vcpu.state.buffer)))
    _set_time(state, vcpu, row)
    state.write(GPR, value, SCRATCH)
    _execute(vcpu, state, f"mtspr {row.number},{SCRATCH}")
    kept = vcpu.state.read(GPR, SCRATCH), vcpu.state.read(NOW)
    vcpu.state.buffer[:] = state.buffer
    vcpu.state.write(GPR, kept[0], SCRATCH)
    vcpu.state.write(NOW, kept[1])
    return True


def _set_time(state: ArchState, vcpu: Vcpu, spr: Spr) -> None:
    is_own = spr.name in OWN_TIME
    state.write(NOW, vcpu.own_count if is_own else vcpu.areas.door.clock.count)


def _execute(vcpu: Vcpu, state: ArchState, line: str) -> None:
    """Execute a move on a state; it touches no storage, and privileged state may make it."""
    handler, args = _operation(line, vcpu.model.isa)
    real, memory = RealMode(), vcpu.areas.door.memory
    storage = GuestStorage(memory, real, real, vcpu.model.isa)
    handler(state.doublewords, state.buffer, storage, bytearray(), 0, state.read(NOW), args)


@cache
def _operation(line: str, isa: Isa) -> Operation:
    decoded = decode(assemble(line), isa)
    assert decoded is not None
    template = decoded.instruction.template(decoded.statics, problem_state=False, sf=True, isa=isa)
    return careful_operation(decoded, template)
