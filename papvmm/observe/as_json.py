"""An exhibit as JSON: addresses and counts are numbers, bytes hexadecimal."""

from typing import TypeAlias

from papvmm.observe.corruption import FieldHits, by_field
from papvmm.observe.exhibit import Exhibit, Result, outcome_text
from papvmm.trace.events import Registration

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"


def as_json(exhibit: Exhibit) -> dict[str, Json]:
    """Return both results under their scenes' names."""
    results = {result.scene.name: _result(result) for result in (exhibit.harmed, exhibit.cured)}
    return {
        "demonstration": exhibit.demonstration.name,
        "convinces": exhibit.convinces,
        **results,
    }


def _result(result: Result) -> dict[str, Json]:
    record, corruption = result.record, result.corruption
    told, handover = corruption.testimony, record.handover
    registrations: list[Json] = [
        _registration(registration) for registration in record.registrations
    ]
    fields: list[Json] = [_field(group) for group in by_field(corruption.hits)]
    return {
        "corrupted": corruption.corrupted,
        "host_crashed": result.crashed,
        "areas_lost": result.lost,
        "outcome": outcome_text(result.outcome),
        "doubt": result.doubt,
        "words": list(corruption.gpas),
        "words_told": None if told is None else told.words,
        "fields": fields,
        "first": None if corruption.first is None else corruption.first.first.icount,
        "handover": None if handover is None else handover.icount,
        "end": record.end,
        "registrations": registrations,
        "refusals": list(result.refusals),
        "console": [line.text for line in record.console],
    }


def _field(group: FieldHits) -> dict[str, Json]:
    first = group.spots[0]
    return {
        "field": group.name,
        "area": group.write.area,
        "vcpu": group.write.vcpu_id,
        "gpa": group.gpa,
        "was": first.first.old.hex(),
        "now": first.now.hex(),
        "places": len(group.spots),
        "stores": group.stores,
        "first": group.first,
        "last": group.last,
        "registration": None
        if group.write.registration is None
        else group.write.registration.number,
    }


def _registration(registration: Registration) -> dict[str, Json]:
    return {
        "number": registration.number,
        "area": registration.area,
        "vcpu": registration.vcpu_id,
        "gpa": registration.gpa,
        "length": registration.length,
        "door": registration.door,
        "caller": registration.caller,
        "icount": registration.icount,
    }
