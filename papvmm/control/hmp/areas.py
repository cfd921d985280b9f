"""``info areas`` and ``info hv-writes``: a guest's areas, and the hypervisor's stores."""

from collections.abc import Iterable, Iterator
from itertools import islice

from papvmm.trace.events import HvWrite, Registration
from papvmm.vcpu.vcpu import Vcpu
from papvmm.vpa.areas import VpaArea


def areas(vcpus: Iterable[Vcpu], generation: int) -> str:
    """Return a paragraph for each vcpu: where its areas are, since when, and what they hold."""
    return "".join(f"{line}\n" for vcpu in vcpus for line in _vcpu(vcpu, generation))


def _vcpu(vcpu: Vcpu, generation: int) -> Iterator[str]:
    own = vcpu.areas
    yield f"vcpu {vcpu.vcpu_id}: {vcpu.run_state.name.lower()}, yield_count {own.yield_count}"
    for area in (own.vpa, own.slb_shadow, own.dtl):
        yield f"  {area.kind.name:<10}  {_area(area, generation)}"
    if own.dtl_ptr is not None:
        yield f"              {own.dtl_index:,} entries written, the next one at {own.dtl_ptr:#x}"


def _area(area: VpaArea, generation: int) -> str:
    pinned = area.pinned
    told = "none"
    if pinned is not None:
        told = f"{pinned.gpa:#x}, {pinned.end - pinned.gpa} bytes"
        if pinned.registration is not None:
            told += f", {_since(pinned.registration, generation)}"
    if area.update_pending:
        wanted = f"{area.next_gpa:#x}, {area.length} bytes" if area.next_gpa else "none"
        told += f"; at the next entry: {wanted}"
    return told


def _since(registration: Registration, generation: int) -> str:
    by = registration.door
    if registration.caller is not None:
        by += f" of vcpu {registration.caller}"
    stale = ", STALE: of a kernel that is gone" if registration.generation < generation else ""
    return f"registration {registration.number} by {by} @ {registration.icount:,}{stale}"


def hv_writes(latest: Iterable[HvWrite], count: int, total: int) -> str:
    """Return the newest ``count`` of stores, which come newest first, oldest first.

    ``total`` is how many there have been.
    """
    shown = [_write(write) for write in islice(latest, count)]
    return f"{total:,} stores, the last {len(shown)}:\n" + "".join(reversed(shown))


def _write(write: HvWrite) -> str:
    what = write.field or write.area or "-"
    stale = "  STALE" if write.is_stale else ""
    return (
        f"@ {write.icount:>13,}  vcpu {write.vcpu_id}  {write.actor:<12} {write.gpa:#012x}"
        f"  {_short(write.old)} -> {_short(write.new)}  {what}{stale}\n"
    )


def _short(data: bytes) -> str:
    return data.hex() if len(data) <= 8 else f"{data[:8].hex()}.. ({len(data)} bytes)"
