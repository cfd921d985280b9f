"""The breakpoints and watchpoints of a debugger: where and for what every vcpu stops."""

from collections.abc import Sequence
from typing import Final, TypeAlias

from papvmm.engine.watch import Watch
from papvmm.values import Value
from papvmm.vcpu.vcpu import Vcpu


class Breakpoint(Value):
    """A breakpoint at an effective address, of one of gdb's kinds."""

    is_hardware: bool
    address: int


Point: TypeAlias = Breakpoint | Watch


class Points:
    """What a debugger has inserted, into all vcpus at a time."""

    def __init__(self, vcpus: Sequence[Vcpu]) -> None:
        self._engines: Final = [vcpu.engine for vcpu in vcpus]
        self._inserted: Final[set[Point]] = set()

    def __contains__(self, point: Point) -> bool:
        return point in self._inserted

    def insert(self, point: Point) -> None:
        """Stop every vcpu that comes there; once more is no more."""
        self._inserted.add(point)
        for engine in self._engines:
            if isinstance(point, Watch):
                engine.watchpoints.add(point)
            else:
                engine.breakpoints.add(point.address)

    def remove(self, point: Point) -> None:
        """Stop nobody there any more; unless something else does."""
        self._inserted.discard(point)
        for engine in self._engines:
            if isinstance(point, Watch):
                engine.watchpoints.discard(point)
            elif point.replace(is_hardware=not point.is_hardware) not in self._inserted:
                engine.breakpoints.discard(point.address)

    def clear(self) -> None:
        """Remove all."""
        for point in tuple(self._inserted):
            self.remove(point)
