"""QMP's messages as bytes: JSON objects, one a line, in ASCII; what papvmm sends ends in CRLF."""

import json
from collections.abc import Iterator

from papvmm.control.strict_json import Json, NotJson, Object, values


def objects(line: bytes) -> Iterator[Object]:
    """Return the objects on a line, most often one; NotJson at the first that is none."""
    for value in values(line):
        if not isinstance(value, dict):
            raise NotJson("a message must be a JSON object")
        yield value


def encode(message: Json) -> bytes:
    """Return the bytes to send."""
    return json.dumps(message, allow_nan=False).encode() + b"\r\n"
