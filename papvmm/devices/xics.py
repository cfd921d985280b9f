"""XICS, the interrupt controller of PAPR (8, Interrupt Option): sources and presentations.

A source is routed to a server, at a priority. A server's presentation offers at most one
interrupt, the most favoured, if its priority is better than the server's own (CPPR); what is
refused waits at its source. Smaller numbers are more favoured, and 0xFF is none at all.
"""

from collections.abc import Iterable
from typing import Final, Protocol

IPI: Final = 2
"""The interrupt that a server's MFRR requests."""
LEAST_FAVOURED: Final = 0xFF
PRIORITY_SHIFT: Final = 24


class Presentation:
    """What a server is offered: ``xisr`` at ``priority``, 0 if nothing; and its registers."""

    def __init__(self) -> None:
        self.cppr = 0
        self.mfrr = LEAST_FAVOURED
        self.xisr = 0
        self.priority = LEAST_FAVOURED

    @property
    def xirr(self) -> int:
        """CPPR and XISR in one word."""
        return self.cppr << PRIORITY_SHIFT | self.xisr


class Source:
    """One edge-triggered interrupt; ``waits`` if it came and has not been offered."""

    def __init__(self) -> None:
        self.server = 0
        self.priority = LEAST_FAVOURED
        self.saved_priority = LEAST_FAVOURED
        self.waits = False


class Lines(Protocol):
    """The interrupt inputs of servers."""

    def __call__(self, server: int, *, pending: bool) -> None:
        """Set the level of one."""


class Xics:
    """The controller of one guest; ``drive`` sets its servers' interrupt inputs."""

    def __init__(self, servers: Iterable[int], sources: Iterable[int], drive: Lines) -> None:
        self.presentations: Final = {server: Presentation() for server in servers}
        self.sources: Final = {number: Source() for number in sources}
        self._drive: Final = drive

    def reset(self) -> None:
        """Return to the state after power-on: every source masked, no server willing."""
        for server in self.presentations:
            self.presentations[server] = Presentation()
            self._drive(server, pending=False)
        for number in self.sources:
            self.sources[number] = Source()

    # What a server does.

    def accept(self, server: int) -> int:
        """Return XIRR, and take the interrupt on offer: its priority becomes the server's own."""
        here = self.presentations[server]
        xirr = here.xirr
        if here.xisr:
            here.cppr = here.priority
            self._withdraw(server)
        return xirr

    def set_cppr(self, server: int, cppr: int) -> None:
        """Set the priority that interrupts must be better than."""
        here = self.presentations[server]
        here.cppr = cppr & LEAST_FAVOURED
        if here.xisr and here.priority >= here.cppr:
            self._reject(server)
        self._offer(server)

    def end(self, server: int, xirr: int) -> None:
        """End the handling of an interrupt; CPPR becomes what it was when that began."""
        self.presentations[server].cppr = xirr >> PRIORITY_SHIFT & LEAST_FAVOURED
        self._offer(server)

    def request_ipi(self, server: int, mfrr: int) -> None:
        """Request an inter-processor interrupt of a priority, or none (0xFF)."""
        here = self.presentations[server]
        here.mfrr = mfrr & LEAST_FAVOURED
        self._offer(server)

    # What a source does.

    def trigger(self, number: int) -> None:
        """Let a source's interrupt happen."""
        source = self.sources[number]
        source.waits = True
        self._offer(source.server)

    def route(self, number: int, server: int, priority: int) -> None:
        """Set which server a source interrupts, and how urgently."""
        source = self.sources[number]
        source.server = server
        source.priority = source.saved_priority = priority & LEAST_FAVOURED
        self._offer(server)

    def mask(self, number: int) -> None:
        """Keep a source's interrupts back."""
        self.sources[number].priority = LEAST_FAVOURED

    def unmask(self, number: int) -> None:
        """Let a source interrupt again, at the priority it was given."""
        source = self.sources[number]
        source.priority = source.saved_priority
        self._offer(source.server)

    # The most favoured wins.

    def _offer(self, server: int) -> None:
        """Present the best of what waits, if it is better than what is presented."""
        here = self.presentations[server]
        waiting = [
            (source.priority, number)
            for number, source in self.sources.items()
            if source.waits and source.server == server
        ]
        priority, number = min(((here.mfrr, IPI), *waiting))
        if priority >= min(here.cppr, here.priority):
            return
        if here.xisr:
            self._reject(server)
        if number != IPI:
            self.sources[number].waits = False
        here.xisr, here.priority = number, priority
        self._drive(server, pending=True)

    def _reject(self, server: int) -> None:
        """Give what is presented back to its source."""
        source = self.sources.get(self.presentations[server].xisr)
        if source is not None:
            source.waits = True
        self._withdraw(server)

    def _withdraw(self, server: int) -> None:
        here = self.presentations[server]
        here.xisr, here.priority = 0, LEAST_FAVOURED
        self._drive(server, pending=False)
