"""A group of tasks that fails as its first task did."""

import asyncio
from types import TracebackType


class Tasks(asyncio.TaskGroup):
    """A task group that raises an error itself, not a group of errors."""

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Wait for all tasks; raise the first error there was, if any."""
        try:
            await super().__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            raise _first(group) from None


def _first(error: BaseException) -> BaseException:
    """Return the first of the errors that task groups collected."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
