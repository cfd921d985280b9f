"""The causal chain of a corruption, step by step, from what was recorded."""

from collections.abc import Iterator
from typing import NamedTuple

from papvmm.observe.exhibit import Names, Result, outcome_text
from papvmm.observe.wording import AREA_TEXT, handover_text, shortened
from papvmm.trace.events import HvWrite, Registration


class Step(NamedTuple):
    """Something that happened after ``icount`` instructions."""

    icount: int
    text: str


def chain(result: Result, names: Names) -> Iterator[Step]:
    """Tell how it came to the first bad store, and how it went on."""
    record, first = result.record, result.corruption.first
    handover = record.handover
    if handover is not None and first is not None:
        write = first.first
        if write.registration is not None:
            yield _registered(result, write.registration, names.before)
        kept = "The areas stay registered, and RAM keeps what it holds."
        yield Step(
            handover.icount, f"{handover_text(handover)}: the next kernel takes over. {kept}"
        )
        yield _stored(write, handover.icount, names.after)
        stores = sum(hit.count for hit in (*result.corruption.hits, *result.corruption.late))
        yield Step(record.end, f"Power-off, after {stores:,} such stores. Nothing else ends them.")
    if result.crashed:
        yield Step(record.end, outcome_text(result.outcome))


def _registered(result: Result, registration: Registration, before: str) -> Step:
    area, who = AREA_TEXT[registration.area], before[0].upper() + before[1:]
    return Step(
        registration.icount,
        f"{who} registers the {area} of vcpu{registration.vcpu_id} at {registration.gpa:#x}"
        f" ({result.origin(registration)})."
        " From its next guest entry on the hypervisor stores into it.",
    )


def _stored(write: HvWrite, handover: int, after: str) -> Step:
    return Step(
        write.icount,
        f"Guest {write.actor} of vcpu{write.vcpu_id}: the hypervisor stores {write.field} at"
        f" {write.gpa:#x}, {shortened(write.old)} → {shortened(write.new)},"
        f" {write.icount - handover:,} instructions later, into the memory of {after}.",
    )
