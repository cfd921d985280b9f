"""Immutable values: what a frozen dataclass is, for what every start has to import.

A dataclass takes half a millisecond to make, twenty times what a class does, and the module
dataclasses brings inspect, ast and tokenize along. For a machine's values that would be a third
of the time until its guest starts.
"""

from collections.abc import Mapping
from typing import ClassVar, Self, dataclass_transform


@dataclass_transform(frozen_default=True)
class Value:
    """Base of classes whose annotations are their fields, those without a default first.

    Values are equal if they are of one class and their fields are. A pattern of ``match`` may
    give fields by position. A subclass may check more in ``__post_init__``.
    """

    __match_args__: ClassVar[tuple[str, ...]] = ()
    _names: ClassVar[frozenset[str]] = frozenset()
    _defaults: ClassVar[Mapping[str, object]] = {}

    def __init_subclass__(cls) -> None:
        names = tuple(cls.__annotations__)
        setattr(cls, "__match_args__", names)  # noqa: B010 - mypy takes it for a constant
        cls._names = frozenset(names)
        cls._defaults = {name: cls.__dict__[name] for name in names if name in cls.__dict__}

    def __init__(self, *fields: object, **named: object) -> None:
        mine, names = self.__dict__, self.__match_args__
        mine.update(self._defaults)
        mine.update(zip(names, fields, strict=False), **named)
        if len(fields) > len(names):
            raise TypeError(f"{type(self).__name__} has no more than {len(names)} fields")
        self.__post_init__()

    def __post_init__(self) -> None:
        """Raise TypeError unless these are the fields of the class."""
        if self.__dict__.keys() != self._names:
            raise TypeError(
                f"{type(self).__name__} has the fields {', '.join(self.__match_args__)}"
            )

    def replace(self, **changes: object) -> Self:
        """Return a value that differs in some fields."""
        return type(self)(**self.__dict__ | changes)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} stays")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name} stays")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *map(self.__dict__.__getitem__, self.__match_args__)))

    def __repr__(self) -> str:
        fields = (f"{name}={self.__dict__[name]!r}" for name in self.__match_args__)
        return f"{type(self).__qualname__}({', '.join(fields)})"


class Unique(Value):
    """A value that is equal to itself only, and so makes a cheap key."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__
