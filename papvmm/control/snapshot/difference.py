"""In what two saves differ: pages of RAM, registers, areas, and whatever else."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from papvmm.control.snapshot.chain import Chain, Save
from papvmm.control.snapshot.vcpus import AREAS
from papvmm.control.strict_json import Json, Object
from papvmm.errors import BadInput
from papvmm.memory.guest_memory import PAGE


@dataclass(frozen=True, slots=True)
class Change:
    """Something that differs: what, as a path of names, and what it was and is, as text."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Gpas of the pages that differ, of RAM of so many bytes, and the changes of all else.

    The areas, as they were asked for, are apart.
    """

    memory_size: int
    pages: tuple[int, ...]
    areas: tuple[Change, ...]
    registers: tuple[Change, ...]
    others: tuple[Change, ...]


def compare(one: tuple[Chain, Save], other: tuple[Chain, Save]) -> Difference:
    """Return in what two saves differ; BadInput if one is damaged, or RAM is not as large."""
    (chain, save), (other_chain, other_save) = one, other
    sizes = chain.config.memory_size, other_chain.config.memory_size
    if sizes[0] != sizes[1]:
        raise BadInput(f"they can't be compared: {sizes[0]} bytes of RAM, and {sizes[1]}")
    before, after = chain.memory(save), other_chain.memory(other_save)
    pages = tuple(
        gpa
        for gpa in range(0, sizes[0], PAGE)
        if before[gpa : gpa + PAGE] != after[gpa : gpa + PAGE]
    )
    changes = tuple(_changes(chain.state(save).rest(), other_chain.state(other_save).rest()))
    areas = tuple(change for change in changes if change.what.endswith(AREAS))
    registers = tuple(c for c in changes if c.what.startswith("vcpus.") and c not in areas)
    others = tuple(c for c in changes if c not in areas and c not in registers)
    return Difference(sizes[0], pages, areas, registers, others)


def _changes(before: Json, after: Json, where: str = "") -> Iterator[Change]:
    """Return what differs of two values, member by member."""
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _members(before, after, where)
    elif isinstance(before, list) and isinstance(after, list) and _has_parts(before, after):
        yield from _members(_numbered(before), _numbered(after), where)
    elif before != after:
        yield Change(where.removeprefix("."), _shown(before), _shown(after))


def _members(before: Mapping[str, Json], after: Mapping[str, Json], where: str) -> Iterator[Change]:
    for name in {**before, **after}:
        yield from _changes(before.get(name), after.get(name), f"{where}.{name}")


def _numbered(parts: list[Json]) -> Object:
    return {str(index): part for index, part in enumerate(parts)}


def _has_parts(before: list[Json], after: list[Json]) -> bool:
    """Tell whether lists are looked into: those of objects, and long ones of numbers."""
    return any(isinstance(part, dict) for part in before + after) or len(before) > 4


def _shown(value: Json) -> str:
    if value is None:
        return "-"
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)
