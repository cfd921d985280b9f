"""QEMU's object model, as far as there is anything to tell: the machine, and its vcpus."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from papvmm.control.control import Control
from papvmm.control.qmp.commands.status import MACHINE
from papvmm.control.qmp.schema import BadArgument, command
from papvmm.control.strict_json import Json
from papvmm.isa.processors import type_name


@dataclass(frozen=True, slots=True)
class Path:
    """Where an object is."""

    path: str


@dataclass(frozen=True, slots=True)
class Property:
    """Where an object is, and which of its properties is meant."""

    path: str
    property: str


class Value(NamedTuple):
    """A property: its type in QEMU's words, and what it is; of a child, its path."""

    kind: str
    value: Json


async def qom_list(control: Control, arguments: Path) -> Json:
    """List the properties of an object, its children among them."""
    return [
        {"name": name, "type": value.kind}
        for name, value in _object(control, arguments.path).items()
    ]


async def qom_get(control: Control, arguments: Property) -> Json:
    """Return a property of an object."""
    found = _object(control, arguments.path)
    if arguments.property not in found:
        raise BadArgument(f"{arguments.path} has no property '{arguments.property}'")
    return found[arguments.property].value


def _object(control: Control, path: str) -> Mapping[str, Value]:
    objects = _objects(control)
    found = objects.get(path.rstrip("/") or "/")
    if found is None:
        raise BadArgument(f"there is no object {path!r}; there is {', '.join(objects)}")
    return found


def _objects(control: Control) -> Mapping[str, Mapping[str, Value]]:
    guest = control.machine.guest
    machine_type = f"{MACHINE}-machine"
    vcpus = {
        f"/machine/vcpu[{vcpu.vcpu_id}]": {
            "type": Value("string", type_name(vcpu.model)),
            "core-id": Value("int", vcpu.vcpu_id),
            "realized": Value("bool", True),  # noqa: FBT003 - a field of a tuple
        }
        for vcpu in guest.vcpus
    }
    machine = {
        "type": Value("string", machine_type),
        "accel": Value("string", guest.config.accel),
        "memory-size": Value("size", guest.memory.size),
        **{
            path.rpartition("/")[2]: Value(f"child<{vcpu['type'].value}>", path)
            for path, vcpu in vcpus.items()
        },
    }
    root = {
        "type": Value("string", "container"),
        "machine": Value(f"child<{machine_type}>", "/machine"),
    }
    return {"/": root, "/machine": machine, **vcpus}


OBJECTS: Final = (
    command("qom-list", Path, qom_list, oob=True),
    command("qom-get", Property, qom_get, oob=True),
)
