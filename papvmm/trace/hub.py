"""Where events go: to any number of listeners, and at no cost when there are none."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from papvmm.trace.events import Event

E = TypeVar("E", bound=Event)
Listener: TypeAlias = Callable[[Event], None]


class Tracer:
    """Hands events to listeners; test ``listens`` before building an event that costs time."""

    __slots__ = ("_listeners", "listens")

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self.listens = False

    def subscribe(self, kind: type[E], listener: Callable[[E], None]) -> Callable[[], None]:
        """Call ``listener`` with every event of ``kind``; return what ends the subscription."""

        def listen(event: Event) -> None:
            if isinstance(event, kind):
                listener(event)

        self._listeners.append(listen)
        self.listens = True

        def unsubscribe() -> None:
            self._listeners.remove(listen)
            self.listens = bool(self._listeners)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Hand an event to every listener, in the order they subscribed."""
        for listener in self._listeners:
            listener(event)
