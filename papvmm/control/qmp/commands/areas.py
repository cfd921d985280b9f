"""Commands about the areas: ONE_REG, what is registered, and the hypervisor's stores."""

import asyncio
from dataclasses import dataclass
from itertools import islice
from typing import Final

from papvmm.control.control import Control
from papvmm.control.qmp.report import areas_of, hv_write
from papvmm.control.qmp.schema import BadArgument, Nothing, command
from papvmm.control.strict_json import Json
from papvmm.errors import BadInput
from papvmm.kvmapi.one_reg import get_one_reg, register_id
from papvmm.machine.inputs import OneReg
from papvmm.trace.events import HvWrite

MOST_STORES: Final = 1000
"""Stores that one answer tells of: 300 KB of JSON, some 3 ms."""
STORES_AT_ONCE: Final = 512
"""Stores that are looked at between two turns of the guest: some 5 ms."""


@dataclass(frozen=True, slots=True)
class OneRegGet:
    """Which register: ``id`` is KVM's number or name."""

    vcpu: int
    id: int | str


@dataclass(frozen=True, slots=True)
class OneRegSet:
    """Which register, and what it becomes."""

    vcpu: int
    id: int | str
    value: int | list[int]


@dataclass(frozen=True, slots=True)
class HvWrites:
    """Which stores: those of all that is given, the newest ``limit`` of them.

    ``before`` is the number of a store: newer ones are left out.
    """

    vcpu: int | None = None
    area: str | None = None
    field: str | None = None
    actor: str | None = None
    gpa: int | None = None
    length: int = 1
    stale: bool | None = None
    limit: int = 100
    before: int | None = None


async def one_reg_get(control: Control, arguments: OneRegGet) -> Json:
    """Get a register by KVM's ONE_REG; errors begin with the name of the errno."""
    vcpu, reg_id = control.vcpu(arguments.vcpu), _register(arguments.id)
    value = await control.machine.between_entries(lambda: get_one_reg(vcpu, reg_id))
    return {"value": list(value)}


async def one_reg_set(control: Control, arguments: OneRegSet) -> Json:
    """Set a register by KVM's ONE_REG; errors begin with the name of the errno."""
    vcpu, reg_id = control.vcpu(arguments.vcpu), _register(arguments.id)
    value = arguments.value
    payload = (value,) if isinstance(value, int) else tuple(value)
    given = OneReg(vcpu.vcpu_id, reg_id, payload)
    await control.machine.between_entries(lambda: control.machine.guest.take(given))
    return {}


async def query_areas(control: Control, _arguments: Nothing) -> Json:
    """Tell what areas each vcpu has."""
    vcpus = control.machine.guest.vcpus
    return await control.machine.between_entries(lambda: [areas_of(vcpu) for vcpu in vcpus])


async def hv_writes(control: Control, arguments: HvWrites) -> Json:
    """List the hypervisor's latest stores into guest RAM, the oldest of them first."""
    if arguments.limit > MOST_STORES:
        raise BadArgument(f"the argument 'limit' must be at most {MOST_STORES}")
    door = control.machine.guest.door
    total, found = door.count, list[Json]()
    older = door.count if arguments.before is None else min(arguments.before, door.count)
    stores = islice(reversed(door.writes), door.count - older, None)
    for examined, write in enumerate(stores):
        if len(found) == arguments.limit:
            break
        if _matches(write, arguments):
            found.append({"number": older - examined - 1, **hv_write(write)})
        if examined % STORES_AT_ONCE == STORES_AT_ONCE - 1:
            await asyncio.sleep(0)
    return {"total": total, "writes": found[::-1]}


def _matches(write: HvWrite, wanted: HvWrites) -> bool:
    return (
        wanted.vcpu in (None, write.vcpu_id)
        and wanted.area in (None, write.area)
        and wanted.field in (None, write.field)
        and wanted.actor in (None, write.actor)
        and wanted.stale in (None, write.is_stale)
        and (wanted.gpa is None or _overlap(write, wanted.gpa, wanted.length))
    )


def _overlap(write: HvWrite, gpa: int, length: int) -> bool:
    return write.gpa < gpa + length and gpa < write.gpa + len(write.new)


def _register(number_or_name: int | str) -> int:
    if isinstance(number_or_name, int):
        return number_or_name
    try:
        return register_id(number_or_name)
    except BadInput as error:
        raise BadArgument(f"EINVAL: {error}") from None


AREAS: Final = (
    command("x-papvmm-one-reg-get", OneRegGet, one_reg_get),
    command("x-papvmm-one-reg-set", OneRegSet, one_reg_set),
    command("x-papvmm-query-areas", Nothing, query_areas),
    command("x-papvmm-hv-writes", HvWrites, hv_writes),
)
