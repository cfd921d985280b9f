"""What a guest asked for that there isn't: hypercalls and RTAS calls, by name, with counts."""

from collections.abc import Callable, Iterator
from typing import Final

from papvmm.machine.guest import Guest
from papvmm.papr.hcall import PROBED
from papvmm.trace.events import NotProvided

EXPECTED: Final = frozenset(PROBED.values())
"""Names that are not worth mentioning: the guest knows that they may not be there."""


class Missing:
    """Listens to a guest; ``on_first`` gets a line the first time each thing is asked for."""

    def __init__(self, guest: Guest, on_first: Callable[[str], None], *, everything: bool) -> None:
        self._guest: Final = guest
        self._on_first: Final = on_first
        self._left_out: Final = frozenset() if everything else EXPECTED
        self._counts: Final[dict[tuple[str, str], int]] = {}
        self._places: Final[dict[tuple[str, str], str]] = {}
        guest.door.tracer.subscribe(NotProvided, self._note)

    def lines(self) -> Iterator[str]:
        """Say what was asked for, how often, and where first."""
        for key, count in self._counts.items():
            times = "once" if count == 1 else f"{count:,} times, first"
            yield f"{' '.join(key)} is not provided: asked for {times} at {self._places[key]}"

    def _note(self, event: NotProvided) -> None:
        key = (event.kind, event.name)
        if event.name in self._left_out:
            return
        self._counts[key] = self._counts.get(key, 0) + 1
        if key not in self._places:
            where = self._guest.describe(event.cia)
            self._places[key] = f"{where} by vcpu{event.vcpu_id} @ {event.icount:,}"
            self._on_first(f"{' '.join(key)} is not provided: asked for at {self._places[key]}")
