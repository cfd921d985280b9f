"""The file that a trace goes to."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from papvmm.cli.stderr import complain
from papvmm.errors import BadInput
from papvmm.machine.guest import Guest


class TraceFile:
    """Takes whole packets; a guest doesn't end because there is no room for them."""

    def __init__(self, path: str) -> None:
        self._path: Final = path
        self._lost = False
        try:
            self._file: Final = open(path, "wb", buffering=0)  # noqa: SIM115 - see ``close``
        except OSError as error:
            raise BadInput(f"{path}: {error.strerror}") from None

    def write(self, packets: bytes) -> None:
        """Append packets; after the first failure, of which people are told, do nothing."""
        if self._lost:
            return
        try:
            self._file.write(packets)
        except OSError as error:
            self._lost = True
            complain(f"the trace ends early: {self._path}: {error.strerror}")

    def close(self) -> None:
        """Write no more."""
        self._file.close()


@contextmanager
def traced(guest: Guest, path: str | None) -> Iterator[None]:
    """Trace a guest into a file, if there is to be one; it is a whole trace at any time."""
    if path is None:
        yield
        return
    from papvmm.observe.perfetto import TraceWriter  # noqa: PLC0415 - most runs are not traced
    from papvmm.observe.tracks import Tracks  # noqa: PLC0415

    file = TraceFile(path)
    try:
        tracks = Tracks(guest, TraceWriter(file.write))
        try:
            yield
        finally:
            tracks.close()
    finally:
        file.close()
