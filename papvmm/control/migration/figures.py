"""How far a migration is, in QEMU's terms."""

from dataclasses import dataclass, field
from enum import Enum
from mmap import PAGESIZE
from time import monotonic
from typing import Final

from papvmm.control.strict_json import Object
from papvmm.machine.config import MIB


class Status(Enum):
    """QMP's MigrationStatus."""

    SETUP = "setup"
    ACTIVE = "active"
    DEVICE = "device"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER: Final = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


@dataclass(slots=True)
class Figures:
    """Of one migration: times in seconds, amounts of RAM in bytes."""

    total: int
    status: Status = Status.SETUP
    began: float = field(default_factory=monotonic)
    ended: float | None = None
    setup: float = 0.0
    down: float = 0.0
    """How long the guest did not run."""
    expected: float = 0.0
    """How long it would not, if the rest were sent now."""
    transferred: int = 0
    remaining: int = 0
    zero_pages: int = 0
    pages: int = 0
    passes: int = 0
    dirtied: float = 0.0
    """Pages that the guest changes, a second."""
    bandwidth: float = 0.0
    """Bytes a second."""
    throttle: int = 0
    """By how much the guest is slowed down, in percent."""
    error: str = ""

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return (monotonic() if self.ended is None else self.ended) - self.began

    def end(self) -> None:
        """Note that it is over."""
        self.ended = monotonic()

    def summary(self) -> str:
        """Return how it went, for people."""
        sent, passes = self.transferred / MIB, f"{self.passes} pass{'es' * (self.passes != 1)}"
        return f"down for {_ms(self.down)} ms, after {self.seconds:.2f} s, {passes}, {sent:.1f} MiB"

    def describe(self) -> Object:
        """Return QMP's MigrationInfo."""
        info: Object = {
            "status": self.status.value,
            "total-time": _ms(self.seconds),
            "setup-time": _ms(self.setup),
            "ram": {
                "transferred": self.transferred,
                "remaining": self.remaining,
                "total": self.total,
                "duplicate": self.zero_pages,
                "skipped": 0,
                "normal": self.pages,
                "normal-bytes": self.pages * PAGESIZE,
                "dirty-pages-rate": round(self.dirtied),
                "mbps": self.bandwidth * 8 / 1e6,
                "dirty-sync-count": self.passes,
                "page-size": PAGESIZE,
            },
        }
        if self.status is Status.COMPLETED:
            info["downtime"] = _ms(self.down)
        elif self.status not in OVER:
            info["expected-downtime"] = _ms(self.expected)
        if self.throttle:
            info["cpu-throttle-percentage"] = self.throttle
        if self.error:
            info["error-desc"] = self.error
        return info


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
