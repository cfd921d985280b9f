"""Where events go: to any number of listeners, and at no cost when there are none."""

from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from papvmm.trace.events import Event

E = TypeVar("E", bound=Event)
Listener: TypeAlias = Callable[[Event], None]


class Tracer:
    """Hands events to listeners.

    ``wanted`` holds the kinds somebody listens to: look there before building an event.
    """

    __slots__ = ("_listeners", "wanted")

    def __init__(self) -> None:
        self._listeners: Final[dict[type, tuple[Listener, ...]]] = {}
        self.wanted: Final[set[type]] = set()

    def subscribe(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """Call ``listener`` with every event of ``kind``; return what ends the subscription."""

        def listen(event: Event) -> None:
            if isinstance(event, kind):
                listener(event)

        self._listeners[kind] = (*self._listeners.get(kind, ()), listen)
        self.wanted.add(kind)

        def unsubscribe() -> None:
            left = list(self._listeners[kind])
            left.remove(listen)
            self._listeners[kind] = tuple(left)
            if not left:
                self.wanted.discard(kind)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Hand an event to those who listen to its kind, in the order they subscribed."""
        for listener in self._listeners.get(type(event), ()):
            listener(event)
