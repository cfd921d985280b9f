"""What happened between two samples of a guest: rates and shares."""

from collections import Counter
from typing import Final, NamedTuple

from papvmm.control.top.sample import Sample, VcpuSample

PER_MILLION: Final = 1e-6


class Shares(NamedTuple):
    """How a vcpu spent the guest's time, each from 0 to 1."""

    run: float
    waiting: float
    idle: float


class Change:
    """What changed from one sample to a later one, ``seconds`` of host time after it.

    A guest that was not running in between has shares, of all its time, but no rates.
    """

    def __init__(self, before: Sample, after: Sample, seconds: float) -> None:
        self.after: Final = after
        self._before: Final = before
        self._seconds: Final = seconds

    @property
    def mips(self) -> float:
        """Million instructions a second of host time."""
        return self._rate(self.after.icount - self._before.icount) * PER_MILLION

    def shares(self, number: int) -> Shares:
        """Return what the vcpu at this place in the list did with its time."""
        now, then = self.after.vcpus[number], self._before.vcpus[number]
        if self.after.count <= self._before.count:
            return _shares(now.run, now.waiting, now.idle)
        return _shares(now.run - then.run, now.waiting - then.waiting, now.idle - then.idle)

    def hypercalls(self, number: int) -> float:
        """Return the hypercalls of a vcpu in a second."""
        return self._rate(_calls(self.after.vcpus[number]) - _calls(self._before.vcpus[number]))

    def hypercalls_by_name(self) -> list[tuple[str, float]]:
        """Return the names of hypercalls that were made, and how many in a second: most first."""
        rates = _by_name(self.after)
        rates.subtract(_by_name(self._before))
        return [(name, self._rate(count)) for name, count in rates.most_common() if count > 0]

    def _rate(self, count: int) -> float:
        """Return how many a second; none if the guest went back, or no time passed."""
        return max(count, 0) / self._seconds if self._seconds > 0 else 0.0


def _shares(*spent: int) -> Shares:
    total = sum(spent) or 1
    return Shares(*(max(part, 0) / total for part in spent))


def _calls(vcpu: VcpuSample) -> int:
    return sum(vcpu.hypercalls.values())


def _by_name(sample: Sample) -> Counter[str]:
    counts = Counter[str]()
    for vcpu in sample.vcpus:
        counts.update(vcpu.hypercalls)
    return counts
