"""Reading JSON that may be damaged: every member is there, of its type and in its range."""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, TypeVar

from papvmm.control.strict_json import Json, Object
from papvmm.errors import BadInput

E = TypeVar("E", bound=Enum)

_HEX: Final = re.compile(r"0x[0-9a-f]{1,32}")


class Members:
    """The members of a JSON object, each to be taken once; ``where`` says whose they are.

    BadInput, naming the member, for whatever is not as it should be.
    """

    def __init__(self, value: Json, where: str) -> None:
        if not isinstance(value, dict):
            raise BadInput(f"{where} is not an object")
        self._left: Final = dict(value)
        self._where: Final = where

    def done(self) -> None:
        """Refuse members that nobody took."""
        for name in self._left:
            raise self.wrong(name, "is unknown")

    def rest(self) -> Object:
        """Return the members that nobody took."""
        return dict(self._left)

    def wrong(self, name: str, why: str) -> BadInput:
        """Return the error that a member is not as it should be."""
        return BadInput(f"{self._where}.{name} {why}")

    def names(self) -> tuple[str, ...]:
        """Return the names of what is left to take."""
        return tuple(self._left)

    def number(self, name: str, most: int, least: int = 0) -> int:
        """Take an integer from ``least`` to ``most``."""
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(name, f"is no number from {least} to {most}")
        return value

    def optional_number(self, name: str, most: int) -> int | None:
        """Take an integer from 0 to ``most``, or null."""
        if self._left.get(name, 0) is None:
            del self._left[name]
            return None
        return self.number(name, most)

    def word(self, name: str) -> int:
        """Take a doubleword, written in hexadecimal."""
        return self._word(name, self._take(name))

    def words(self, name: str) -> tuple[int, ...]:
        """Take a list of doublewords."""
        return tuple(self._word(name, value) for value in self._list(name))

    def text(self, name: str) -> str:
        """Take a string."""
        value = self._take(name)
        if not isinstance(value, str):
            raise self.wrong(name, "is no string")
        return value

    def optional_text(self, name: str) -> str | None:
        """Take a string, or null."""
        if self._left.get(name, "") is None:
            del self._left[name]
            return None
        return self.text(name)

    def octets(self, name: str) -> bytes:
        """Take bytes, written in hexadecimal."""
        try:
            return bytes.fromhex(self.text(name))
        except ValueError:
            raise self.wrong(name, "is not hexadecimal") from None

    def switch(self, name: str) -> bool:
        """Take true or false."""
        value = self._take(name)
        if not isinstance(value, bool):
            raise self.wrong(name, "is neither true nor false")
        return value

    def choice(self, name: str, known: type[E]) -> E:
        """Take the name of a member of an enum."""
        value = self.text(name)
        if value not in known.__members__:
            raise self.wrong(name, f"is none of {', '.join(known.__members__)}")
        return known[value]

    def member(self, name: str) -> "Members":
        """Take an object."""
        return Members(self._take(name), f"{self._where}.{name}")

    def members(self, name: str) -> Iterator["Members"]:
        """Take a list of objects."""
        for index, value in enumerate(self._list(name)):
            yield Members(value, f"{self._where}.{name}[{index}]")

    def texts(self, name: str) -> tuple[str, ...]:
        """Take a list of strings."""
        values = self._list(name)
        if not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "is no list of strings")
        return tuple(str(value) for value in values)

    def _list(self, name: str) -> list[Json]:
        value = self._take(name)
        if not isinstance(value, list):
            raise self.wrong(name, "is no list")
        return value

    def _word(self, name: str, value: Json) -> int:
        if not isinstance(value, str) or not _HEX.fullmatch(value) or int(value, 16) >> 64:
            raise self.wrong(name, "is no doubleword")
        return int(value, 16)

    def _take(self, name: str) -> Json:
        if name not in self._left:
            raise self.wrong(name, "is missing")
        return self._left.pop(name)
