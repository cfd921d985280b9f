"""JSON from outside, read strictly: no member twice, no NaN, no number or nesting without end."""

import json
import math
import re
from collections.abc import Iterator
from typing import Final, Never, TypeAlias

from papvmm.errors import PapvmmError

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Object: TypeAlias = dict[str, Json]

DEEPEST: Final = 64
"""Levels of nesting: more than anything papvmm reads has, less than overflows a stack."""

_TOKEN: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]')
_BLANK: Final = re.compile(r"[ \t\r\n]*")


class NotJson(PapvmmError):
    """Bytes that can't be read; the text says why in one line."""


def _unique(pairs: list[tuple[str, Json]]) -> Object:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise NotJson(f"the member {twice!r} is there twice")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise NotJson("a number is too large")
    return number


def _no_constant(name: str) -> Never:
    raise NotJson(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
)


def values(data: bytes) -> Iterator[Json]:
    """Return the JSON values in UTF-8 text, one after the other; NotJson at the first bad one."""
    if _depth(data) > DEEPEST:
        raise NotJson(f"nested deeper than {DEEPEST} levels")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise NotJson("not UTF-8") from None
    at = _skip_blanks(text, 0)
    while at < len(text):
        value, at = _value_at(text, at)
        yield value
        at = _skip_blanks(text, at)


def only_value(data: bytes) -> Json:
    """Return the one JSON value in UTF-8 text; NotJson if there isn't exactly one."""
    found = list(values(data))
    if len(found) != 1:
        raise NotJson(f"{len(found)} values instead of one")
    return found[0]


def only_object(data: bytes) -> Object:
    """Return the one JSON object in UTF-8 text; NotJson if it isn't that."""
    value = only_value(data)
    if not isinstance(value, dict):
        raise NotJson("no JSON object")
    return value


def _value_at(text: str, at: int) -> tuple[Json, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise NotJson(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    except ValueError:
        raise NotJson("a number has too many digits") from None
    return value, end


def _skip_blanks(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return at if blank is None else blank.end()


def _depth(data: bytes) -> int:
    deepest = depth = 0
    for token in _TOKEN.findall(data):
        if token in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"]}":
            depth -= 1
    return deepest
