"""The full-screen ``papvmm top``: the only module that needs textual."""

import asyncio
from time import monotonic
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Footer, Static

from papvmm.cli.sampling import look
from papvmm.control.qmp.client import CommandFailed, QmpClient
from papvmm.control.top.change import Change
from papvmm.control.top.sample import Sample
from papvmm.control.top.screen import Panels, screen
from papvmm.control.top.table import Line
from papvmm.errors import BadInput

LEAST: Final = 3
"""Lines of the log or the stores that are shown however small the terminal is: it scrolls."""
AROUND: Final = 3
"""Lines that a panel takes besides: an empty one and its titles."""
FOOTER: Final = 1


class TopApp(App[str]):
    """Looks at a guest every ``interval`` seconds; its result says why it ended, if not by q."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "pause", "pause/cont", priority=True),
        Binding("r", "reset", "reset"),
        Binding("d", "log", "dtl"),
        Binding("w", "writes", "writes"),
        Binding("q", "quit", "quit"),
    ]
    TITLE = "papvmm top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    VerticalScroll { scrollbar-size: 0 0; }
    #screen { height: auto; text-wrap: nowrap; text-overflow: clip; }
    """

    def __init__(self, qmp: QmpClient, interval: float) -> None:
        super().__init__()
        self._qmp: Final = qmp
        self._interval: Final = interval
        self._busy: Final = asyncio.Lock()
        self._shown = {"log": True, "writes": True}
        self._before: tuple[Sample, float] | None = None
        self._change: Change | None = None

    def compose(self) -> ComposeResult:
        """Put the one text there is above the keys."""
        with VerticalScroll():
            yield Static(id="screen")
        yield Footer()

    def on_mount(self) -> None:
        """Look at once, and then regularly."""
        self.set_interval(self._interval, self._look)
        self.call_later(self._look)

    async def on_resize(self) -> None:
        """Fill the terminal, whatever its size is now."""
        await self._show()

    async def action_pause(self) -> None:
        """Pause the guest, or let it go on."""
        running = self._change is not None and self._change.after.status == "running"
        await self._command("stop" if running else "cont")

    async def action_reset(self) -> None:
        """Reset the guest."""
        await self._command("system_reset")

    async def action_log(self) -> None:
        """Show the dispatch trace log, or not."""
        await self._toggle("log")

    async def action_writes(self) -> None:
        """Show the hypervisor's stores, or not."""
        await self._toggle("writes")

    async def _toggle(self, panel: str) -> None:
        self._shown[panel] = not self._shown[panel]
        await self._show()

    async def _command(self, name: str) -> None:
        try:
            async with self._busy:
                await asyncio.to_thread(self._qmp.execute, name)
        except CommandFailed as error:
            self.notify(str(error), severity="error")
        except BadInput as error:
            self.exit(f"the guest is gone: {error}")
        else:
            await self._look()

    async def _look(self) -> None:
        """Get a sample, and show what has changed since the last one."""
        try:
            async with self._busy:
                sample = await asyncio.to_thread(look, self._qmp, self.size.height)
        except (BadInput, CommandFailed) as error:
            self.exit(f"the guest is gone: {error}")
            return
        now = monotonic()
        before, then = self._before or (sample, now)
        self._before = sample, now
        self._change = Change(before, sample, now - then)
        await self._show()

    async def _show(self) -> None:
        if self._change is None:
            return
        width, height = self.size.width, self.size.height - FOOTER
        lines = await asyncio.to_thread(_fitted, self._change, width, height, self._shown)
        self.query_one("#screen", Static).update(_content(lines))


def _fitted(change: Change, width: int, height: int, shown: dict[str, bool]) -> list[Line]:
    """Return a screen whose panels fill the room there is: half for the log, if it needs that."""
    room = height - len(screen(change, width, Panels(0, 0)))
    log = writes = 0
    if shown["log"]:
        most = max(room // sum(shown.values()) - AROUND, LEAST)
        log = min(most, max(len(change.after.log), 1))
    if shown["writes"]:
        writes = max(room - (log and log + AROUND) - AROUND, LEAST)
    return screen(change, width, Panels(log, writes))


def _content(lines: list[Line]) -> Content:
    each = [[(span.text, span.style.value) for span in line] for line in lines]
    return Content("\n").join([Content.assemble(*pieces) for pieces in each])
