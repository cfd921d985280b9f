"""The event loop of the process: uvloop where it is installed, asyncio's own elsewhere."""

import asyncio
from collections.abc import Callable, Coroutine
from importlib.util import find_spec
from typing import TypeVar

T = TypeVar("T")


def run_loop(main: Callable[[], Coroutine[None, None, T]]) -> T:
    """Run the coroutine that ``main`` makes to its end."""
    factory = None
    if find_spec("uvloop") is not None:
        import uvloop  # noqa: PLC0415 - optional

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(main())
