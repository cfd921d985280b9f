"""The interpreter as it is used, and kept for the next time: its code, and where to enter it."""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Final

from papvmm.engine.native.executable import Executable

ENTRIES: Final = (
    "enter", "lookup", "interpret", "context", "decode_me", "new_page", "fill_load", "fill_store",
)  # fmt: skip
"""The functions that others than the interpreter call, or look for."""
_OFFSETS: Final = Struct(f"<{len(ENTRIES)}I")


class Interpretation:
    """The interpreter in executable memory."""

    def __init__(self, content: bytes) -> None:
        self._code: Final = Executable(content[_OFFSETS.size :])
        self._offsets: Final[dict[str, int]] = dict(
            zip(ENTRIES, _OFFSETS.unpack_from(content), strict=True)
        )

    def address(self, name: str) -> int:
        """Return where a function is."""
        return self._code.address + self._offsets[name]


@lru_cache(maxsize=2)
def interpretation(content: bytes) -> Interpretation:
    """Return an interpreter, ready to run, which the guests of a process share."""
    return Interpretation(content)


def pack(text: bytes, offsets: Mapping[str, int]) -> bytes:
    """Return an interpreter's code, and where in it functions are, as bytes."""
    return _OFFSETS.pack(*(offsets[name] for name in ENTRIES)) + text
