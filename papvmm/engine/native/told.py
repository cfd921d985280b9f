"""What native code has been told of a vcpu's breakpoints and watchpoints."""

import mmap
from collections.abc import Collection, Set
from typing import Final

from papvmm.engine.native import layout
from papvmm.engine.native.code import NativeCode, address_of, listed, private
from papvmm.engine.native.contexts import Contexts
from papvmm.engine.watch import Watch
from papvmm.memory.guest_memory import PAGE


class Told:
    """Tells native code, by way of a vcpu buffer, at ``address`` and with doublewords ``q``.

    Code on a page with breakpoints runs from op records of its own, which look out for them.
    Accesses to watched bytes are left to the stepper; those to others on their page take the
    slow path.
    """

    def __init__(self, q: memoryview, address: int, code: NativeCode, contexts: Contexts) -> None:
        self._q: Final = q
        self._address: Final = address
        self._code: Final = code
        self._contexts: Final = contexts
        self.breakpoints: frozenset[int] = frozenset()
        self.watchpoints: frozenset[Watch] = frozenset()
        self._tell_breakpoints(self.breakpoints)
        self._tell_watchpoints(self.watchpoints)

    @property
    def inner(self) -> int:
        """Any access that begins below this real address is within RAM, and not watched."""
        lowest = min((watch.address for watch in self.watchpoints), default=self._code.ram_size)
        return max(min(self._code.ram_size, lowest) - layout.WIDEST + 1, 0)

    def tell(self, breakpoints: Set[int], watchpoints: Set[Watch]) -> bool:
        """Tell what has changed; return whether there are any."""
        if self.breakpoints != breakpoints:
            self._tell_breakpoints(frozenset(breakpoints))
        if self.watchpoints != watchpoints:
            self._tell_watchpoints(frozenset(watchpoints))
        return bool(breakpoints or watchpoints)

    def _tell_breakpoints(self, now: frozenset[int]) -> None:
        self.breakpoints = now
        self._listed = listed(now)
        self._q[layout.BREAKPOINTS // 8] = address_of(self._listed)
        self._contexts.break_on(frozenset(ea // PAGE for ea in now))
        self._code.look_out(self._address, now)

    def _tell_watchpoints(self, now: frozenset[Watch]) -> None:
        self.watchpoints = now
        self._watches = _packed(now)
        self._q[layout.WATCHES // 8] = address_of(self._watches) if now else 0
        self._q[layout.RAM_INNER // 8] = self.inner
        self._contexts.watch(is_watching=bool(now))


def _packed(watches: Collection[Watch]) -> mmap.mmap:
    """Return watches as native code reads them."""
    content = private(layout.WATCH.size * (len(watches) + 1))
    at = 0
    for watch in watches:
        kinds = (watch.loads and layout.WATCHED_LOADS) | (watch.stores and layout.WATCHED_STORES)
        if kinds:
            kinds |= watch.real and layout.WATCHED_REAL
            last = watch.address + watch.length - 1
            layout.WATCH.pack_into(content, at, watch.address, last, kinds)
            at += layout.WATCH.size
    return content
