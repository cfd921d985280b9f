"""Was the next kernel's memory corrupted? Two witnesses: the hypervisor's stores, and the kernel.

The stores tell which bytes changed, and why. The kernel tells what it saw: it knows what it put
into its memory, and prints which words are different. Neither knows of the other.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from papvmm.observe.record import RunRecord, Spot
from papvmm.trace.events import HvWrite
from papvmm.vpa.layout import Area

WORD: Final = 8
"""Bytes in the words that kernels check."""

_FOUND: Final = re.compile(r": (?P<gpa>0x[0-9a-f]+): expected [0-9a-f]+, found [0-9a-f]+")
_VERDICT: Final = re.compile(r": (?:(?P<words>\d+) words changed|memory intact)$")


@dataclass(frozen=True, slots=True)
class Testimony:
    """What the kernel printed: ``words`` have changed, those at ``gpas`` among them.

    It looked for the last time before ``icount``.
    """

    words: int
    gpas: tuple[int, ...]
    icount: int


@dataclass(frozen=True, slots=True)
class Corruption:
    """What both witnesses say: ``hits`` changed the words at ``gpas``, and the ``testimony``.

    The kernel had ``looked`` for the last time when it began to print what it saw; hits that
    came later are ``late``. If it printed nothing, it looked till the end.
    """

    hits: tuple[Spot, ...]
    late: tuple[Spot, ...]
    gpas: tuple[int, ...]
    looked: int
    testimony: Testimony | None

    @property
    def corrupted(self) -> bool:
        """Tell whether any word changed, by either witness."""
        return bool(self.gpas or (self.testimony and self.testimony.words))

    @property
    def agreed(self) -> bool:
        """Tell whether the kernel saw exactly what the hypervisor's stores explain."""
        told = self.testimony
        return (
            told is not None and told.words == len(self.gpas) and set(told.gpas) <= set(self.gpas)
        )

    @property
    def first(self) -> Spot | None:
        """The hit that came first."""
        return min(self.hits, key=lambda hit: (hit.first.icount, hit.first.gpa), default=None)


def corruption_in(record: RunRecord) -> Corruption:
    """Judge a recorded run by both witnesses."""
    return _judged(record, testimony_in(record))


def corruption_by_stores(record: RunRecord) -> Corruption:
    """Judge a recorded run by the hypervisor's stores alone, up to its end."""
    return _judged(record, None)


def _judged(record: RunRecord, testimony: Testimony | None) -> Corruption:
    looked = record.end + 1 if testimony is None else testimony.icount
    hits = tuple(spot for spot in record.spots if is_hit(spot))
    seen = tuple(hit for hit in hits if hit.first.icount < looked)
    late = tuple(hit for hit in hits if hit.first.icount >= looked)
    gpas = sorted({gpa for hit in seen for gpa in changed_words(hit)})
    return Corruption(seen, late, tuple(gpas), looked, testimony)


def is_hit(spot: Spot) -> bool:
    """Tell whether stores into an earlier kernel's area left other bytes than were there."""
    return spot.foreign and spot.survives and spot.first.old != spot.now


def changed_words(hit: Spot) -> tuple[int, ...]:
    """Return the gpas of the words in which a hit changed a byte."""
    gpa, was, now = hit.first.gpa, hit.first.old, hit.now
    changed = (gpa + i for i in range(len(now)) if was[i] != now[i])
    return tuple(dict.fromkeys(byte - byte % WORD for byte in changed))


def testimony_in(record: RunRecord) -> Testimony | None:
    """Read the kernel's own report on the console; None if it made none."""
    found: list[int] = []
    began = None
    for line in record.console:
        told, verdict = _FOUND.search(line.text), _VERDICT.search(line.text)
        if told or verdict:
            began = line.icount if began is None else began
        if told:
            found.append(int(told["gpa"], 16))
        if verdict and began is not None:
            return Testimony(int(verdict["words"] or 0), tuple(found), began)
    return None


@dataclass(frozen=True, slots=True)
class FieldHits:
    """The hits of one field of one area; a log's entries count as one field.

    ``first`` and ``last`` are icounts; ``stores`` counts them all, up to the end of the run.
    """

    name: str
    spots: tuple[Spot, ...]

    @property
    def write(self) -> HvWrite:
        """The first store: where, whose area, which registration."""
        return min((spot.first for spot in self.spots), key=lambda write: write.icount)

    @property
    def gpa(self) -> int:
        """The lowest address."""
        return self.spots[0].first.gpa

    @property
    def first(self) -> int:
        """When the field was first stored to."""
        return self.write.icount

    @property
    def last(self) -> int:
        """When it was last stored to."""
        return max(spot.last.icount for spot in self.spots)

    @property
    def stores(self) -> int:
        """How often."""
        return sum(spot.count for spot in self.spots)


def by_field(hits: Iterable[Spot]) -> tuple[FieldHits, ...]:
    """Group hits by field, in the order of their lowest addresses."""
    groups: dict[tuple[int, str], list[Spot]] = {}
    for hit in hits:
        write = hit.first
        entries = write.area == Area.DTL.name
        number = write.registration.number if write.registration else 0
        groups.setdefault((number, "" if entries else write.field), []).append(hit)
    return tuple(
        FieldHits(name or _entries(spots), tuple(spots)) for (_, name), spots in groups.items()
    )


def _entries(spots: list[Spot]) -> str:
    first, last = spots[0].first.field, spots[-1].first.field
    return first if len(spots) == 1 else f"{first} … {last}"
