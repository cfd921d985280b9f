"""Values as JSON and back, by the annotations of their classes.

A value is an object of its fields, with hyphens in their names as QMP has them; bytes are
hexadecimal, tuples are lists.
"""

from collections.abc import Mapping
from types import NoneType, UnionType
from typing import Final, TypeVar, get_args, get_origin, get_type_hints

from papvmm.control.strict_json import Json
from papvmm.errors import BadInput
from papvmm.values import Value

V = TypeVar("V", bound=Value)

_PLAIN: Final = (int, str, NoneType)


def to_json(value: object) -> Json:
    """Return a value as JSON; TypeError for what has no form there."""
    match value:
        case int() | str() | None:
            return value
        case bytes():
            return value.hex()
        case tuple():
            return [to_json(item) for item in value]
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case Value():
            return {_told(name): to_json(getattr(value, name)) for name in value.__match_args__}
        case _:
            raise TypeError(f"{value!r} has no form in JSON")


def from_json(kind: type[V], data: Json) -> V:
    """Return the value of a class that JSON describes; BadInput if it describes none."""
    if not isinstance(data, dict):
        raise BadInput(f"{data!r} is no {kind.__name__}")
    names, hints = kind.__match_args__, get_type_hints(kind)
    if data.keys() != set(map(_told, names)):
        raise BadInput(f"a {kind.__name__} has other fields than {', '.join(data)}")
    return kind(**{name: _read(hints[name], data[_told(name)]) for name in names})


def _told(name: str) -> str:
    return name.replace("_", "-")


def _read(hint: object, data: Json) -> object:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return None if data is None else _read(inner[0], data)
    if origin is tuple and isinstance(data, list):
        return tuple(_read(inner[0], item) for item in data)
    if origin is Mapping and isinstance(data, dict):
        return {key: _read(inner[1], item) for key, item in data.items()}
    if isinstance(hint, type) and issubclass(hint, Value):
        return from_json(hint, data)
    if hint is bytes and isinstance(data, str):
        try:
            return bytes.fromhex(data)
        except ValueError:
            raise BadInput(f"{data!r} is not hexadecimal") from None
    if hint in _PLAIN and type(data) is hint:
        return data
    raise BadInput(f"{data!r} is not what papvmm top expects there")
