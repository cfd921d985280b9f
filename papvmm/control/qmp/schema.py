"""How a QMP command is described: a dataclass of its arguments, and the function that acts.

The fields of the dataclass are the arguments, its underscores being QMP's hyphens; a field with
a default is optional. Numbers are unsigned and have 64 bits.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from types import UnionType
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, get_args, get_type_hints

from papvmm.bits import M64
from papvmm.control.control import Control
from papvmm.control.strict_json import Json, Object
from papvmm.errors import PapvmmError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

A = TypeVar("A", bound="DataclassInstance")

Act: TypeAlias = Callable[[Control], Awaitable[Json]]
"""A command with its arguments, to be carried out."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """The arguments of a command that takes none."""


class BadArgument(PapvmmError):
    """An argument is missing, unknown, or not of its type; the text names it."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command; ``oob`` says that it may be executed out of band, ahead of those before it."""

    name: str
    bind: Callable[[Object], Act]
    oob: bool


def command(
    name: str,
    arguments: type[A],
    act: Callable[[Control, A], Awaitable[Json]],
    *,
    oob: bool = False,
) -> Command:
    """Describe a command: its name, the dataclass of its arguments, and what it does."""
    make: Callable[..., A] = arguments
    hints = {field.replace("_", "-"): hint for field, hint in get_type_hints(arguments).items()}
    required = [
        field.name.replace("_", "-") for field in fields(arguments) if field.default is MISSING
    ]

    def bind(given: Object) -> Act:
        for argument in required:
            if argument not in given:
                raise BadArgument(f"the argument {argument!r} is missing")
        for argument, value in given.items():
            if argument not in hints:
                raise BadArgument(f"{name} has no argument {argument!r}")
            if not _fits(value, hints[argument]):
                raise BadArgument(f"the argument {argument!r} must be {_words(hints[argument])}")
        bound = make(**{argument.replace("-", "_"): value for argument, value in given.items()})
        return lambda control: act(control, bound)

    return Command(name, bind, oob)


def _is_u64(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= M64


def _are_u64s(value: Json) -> bool:
    return isinstance(value, list) and all(map(_is_u64, value))


_TYPES: Final[Mapping[object, tuple[str, Callable[[Json], bool]]]] = {
    int: ("a number from 0 to 2^64 - 1", _is_u64),
    str: ("a string", lambda value: isinstance(value, str)),
    bool: ("true or false", lambda value: isinstance(value, bool)),
    list[object]: ("a list", lambda value: isinstance(value, list)),
    list[int]: ("a list of numbers from 0 to 2^64 - 1", _are_u64s),
}


def _kinds(hint: object) -> tuple[object, ...]:
    """Return the types an argument may have; None stands for an optional one's absence."""
    kinds = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return tuple(kind for kind in kinds if kind is not type(None))


def _fits(value: Json, hint: object) -> bool:
    return any(_TYPES[kind][1](value) for kind in _kinds(hint))


def _words(hint: object) -> str:
    return " or ".join(_TYPES[kind][0] for kind in _kinds(hint))
