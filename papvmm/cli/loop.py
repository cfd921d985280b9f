"""The event loop of the process: uvloop where it is installed, asyncio's own elsewhere."""

import asyncio
from collections.abc import Coroutine
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")


def run_loop(main: Coroutine[None, None, T]) -> T:
    """Run a coroutine to its end."""
    if find_spec("uvloop") is None:
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 - optional

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
