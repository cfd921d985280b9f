"""SHA-256 as Python has it built in: hashlib brings OpenSSL, which takes longer than hashing."""

from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import Final, Protocol


class Digest(Protocol):
    """What ``hashlib.sha256`` returns."""

    def update(self, data: bytes, /) -> None:
        """Take more bytes in."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        ...

    def hexdigest(self) -> str:
        """Return it as text."""
        ...


def _built_in() -> Callable[[bytes], Digest]:
    for name in ("_sha2", "_sha256"):  # since Python 3.12, and before
        with suppress(ImportError):
            found: Callable[[bytes], Digest] = import_module(name).sha256
            return found
    from hashlib import sha256 as any_other  # noqa: PLC0415 - a Python without

    return any_other


SIZE: Final = 32
"""Bytes of a digest."""
sha256: Final = _built_in()
"""Begin a digest with some bytes."""
