"""Watchpoints on what the hypervisor stores, while any vcpu has some."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from papvmm.engine.watch import Watch
from papvmm.memory.guest_memory import PAGE
from papvmm.trace.events import HvWrite
from papvmm.trace.hub import Tracer
from papvmm.vcpu.vcpu import Vcpu


class HypervisorWatch:
    """Collects the hypervisor's stores to watched bytes in ``stores``, until they are taken.

    Watches are those of all vcpus, but for those of loads only. An effective address is where
    the vcpu's data accesses would find it at the time of the store, whoever stores.
    """

    def __init__(self, tracer: Tracer, vcpus: Sequence[Vcpu]) -> None:
        self.stores: Final[list[tuple[Watch, HvWrite]]] = []
        self._tracer: Final = tracer
        self._vcpus: Final = vcpus
        self._unsubscribe: Callable[[], None] | None = None

    def look_again(self) -> None:
        """See whether there are watchpoints: stores count from now on, or no longer."""
        wanted = any(vcpu.engine.watchpoints for vcpu in self._vcpus)
        if wanted and self._unsubscribe is None:
            self._unsubscribe = self._tracer.subscribe(HvWrite, self._see)
        elif self._unsubscribe is not None and not wanted:
            self._unsubscribe()
            self._unsubscribe = None
            self.stores.clear()

    def take(self) -> tuple[tuple[Watch, HvWrite], ...]:
        """Return the stores there were, and forget them."""
        stores = tuple(self.stores)
        self.stores.clear()
        return stores

    def _see(self, write: HvWrite) -> None:
        watches = (watch for vcpu in self._vcpus for watch in _watching(vcpu, write))
        self.stores.extend((watch, write) for watch in dict.fromkeys(watches))


def _watching(vcpu: Vcpu, write: HvWrite) -> Iterator[Watch]:
    """Yield the watches of a vcpu that a store touches."""
    for watch in vcpu.engine.watchpoints:
        if watch.stores and any(
            part.touches(write.gpa, len(write.new)) for part in _parts(vcpu, watch)
        ):
            yield watch


def _parts(vcpu: Vcpu, watch: Watch) -> Iterator[Watch]:
    """Yield the same watch by real addresses, page by page."""
    if watch.real:
        yield watch
        return
    start, end = watch.address, watch.address + watch.length
    while start < end:
        following = min(end, (start // PAGE + 1) * PAGE)
        ra = vcpu.engine.locate(start)
        if ra is not None:
            yield Watch(ra, following - start, real=True)
        start = following
