"""What a guest asked for that there isn't: hypercalls and RTAS calls, by name, with counts."""

from collections.abc import Callable, Iterator
from typing import Final

from papvmm.machine.guest import Guest
from papvmm.papr.hcall import PROBED
from papvmm.trace.events import NotProvided
from papvmm.values import Value

EXPECTED: Final = frozenset(PROBED.values())
"""Names that are not worth mentioning: the guest knows that they may not be there."""

MOST: Final = 64
"""Things that are told apart: a guest could make up any number of names."""


class Asked(Value):
    """Something that was asked for ``count`` times, ``first`` at ``where``."""

    count: int
    first: NotProvided
    where: str

    @property
    def is_expected(self) -> bool:
        """Tell whether the guest only looked whether it is there."""
        return self.first.name in EXPECTED


class Missing:
    """Listens to a guest; ``on_first`` gets a line the first time each thing is asked for."""

    def __init__(self, guest: Guest, on_first: Callable[[str], None], *, everything: bool) -> None:
        self._guest: Final = guest
        self._on_first: Final = on_first
        self._everything: Final = everything
        self._asked: Final[dict[tuple[str, str], Asked]] = {}
        self._others = 0
        self._latest = -1
        """The instruction count at the latest: a guest that was put back does the rest again."""
        guest.door.tracer.subscribe(NotProvided, self._note)

    @property
    def asked(self) -> tuple[Asked, ...]:
        """All that was asked for, in the order in which it first was."""
        return tuple(self._asked.values())

    def lines(self) -> Iterator[str]:
        """Say what was asked for, how often, and where first."""
        for asked in self._asked.values():
            if self._everything or not asked.is_expected:
                times = "once" if asked.count == 1 else f"{asked.count:,} times, first"
                yield f"{_not_provided(asked.first)}: asked for {times} at {asked.where}"
        if self._others:
            yield f"further things are not provided either: asked for {self._others:,} times"

    def _note(self, event: NotProvided) -> None:
        if event.icount <= self._latest:
            return
        self._latest = event.icount
        key = (event.kind, event.name)
        known = self._asked.get(key)
        if known is not None:
            self._asked[key] = known.replace(count=known.count + 1)
            return
        if len(self._asked) == MOST:
            self._others += 1
            return
        where = self._guest.describe(event.cia)
        place = f"{where} by vcpu{event.vcpu_id} @ {event.icount:,}"
        asked = self._asked[key] = Asked(1, event, place)
        if self._everything or not asked.is_expected:
            self._on_first(f"{_not_provided(event)}: asked for at {place}")


def _not_provided(event: NotProvided) -> str:
    return f"{event.kind} {event.name} is not provided"
