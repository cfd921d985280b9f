"""Metrics in a file, as node_exporter's textfile collector reads them: whole at any time."""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from papvmm.errors import BadInput

PERIOD: Final = 5.0
"""Seconds between two writes."""


class MetricsFile:
    """Writes what ``text`` returns: at the start, now and then, and at the end.

    BadInput if it can't be written at the start; after that ``tell`` gets a line, once.
    """

    def __init__(self, path: str, text: Callable[[], str], tell: Callable[[str], None]) -> None:
        self._path: Final = path
        self._text: Final = text
        self._tell: Final = tell

    async def __aenter__(self) -> Self:
        try:
            self._write(self._text())
        except OSError as error:
            raise BadInput(f"{self._path}: {error.strerror}") from None
        self._task = asyncio.create_task(self._keep_writing(), name="metrics file")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        try:
            self._write(self._text())
        except OSError as lost:
            self._tell(f"the metrics are not complete: {self._path}: {lost.strerror}")

    async def _keep_writing(self) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            with suppress(OSError):  # there may be room again at the end
                await asyncio.to_thread(self._write, self._text())

    def _write(self, text: str) -> None:
        """Replace the file, at once."""
        fresh = f"{self._path}.{os.getpid()}"
        with open(fresh, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(fresh, self._path)
