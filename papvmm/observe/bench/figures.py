"""Measured runs, and the figures that come of them: medians, ratios of pairs, geometric means."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import geometric_mean, median

from papvmm.clock import count_at
from papvmm.observe.bench.catalogue import Benchmark, Kind


@dataclass(frozen=True, slots=True)
class Sample:
    """One run of a benchmark: host seconds, peak memory in bytes, and what the guest printed.

    ``guest`` is the time from the guest's first line to its last, ``wall`` that of the whole
    process, ``cpu`` the processor time it used. ``ticks`` are those of the guest's time base.
    """

    guest: float
    wall: float
    cpu: float
    memory: int
    checksum: str
    ticks: int
    events: int
    event: str


Measure = Callable[[Sample], float]
"""One figure of a run."""


@dataclass(frozen=True, slots=True)
class Row:
    """A benchmark's runs on papvmm and, pair by pair, on QEMU (none where it isn't installed).

    ``trouble`` says in one line why the runs are no result; empty if they are one.
    """

    benchmark: Benchmark
    ours: tuple[Sample, ...]
    theirs: tuple[Sample, ...]
    trouble: str = ""

    @property
    def instructions(self) -> int:
        """Instructions of a run: papvmm's virtual time base counts them."""
        return count_at(self.ours[0].ticks)

    def ratio(self, measure: Measure) -> float | None:
        """Return the median over the pairs of papvmm's figure divided by QEMU's."""
        if self.trouble or not self.theirs:
            return None
        pairs = zip(self.ours, self.theirs, strict=True)
        return median(measure(ours) / measure(theirs) for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Comparison:
    """All rows, and how they were measured."""

    accel: str
    scale: str
    runs: int
    qemu: str
    """QEMU's version; empty where it isn't installed."""
    rows: tuple[Row, ...]
    cold: bool = False
    """papvmm began every run without compiled code."""

    @property
    def good(self) -> tuple[Row, ...]:
        """The rows that are results."""
        return tuple(row for row in self.rows if not row.trouble)

    def geomean(self, measure: Measure) -> float | None:
        """Return the geometric mean of the ratios of the programs that compute."""
        rows = (row for row in self.rows if row.benchmark.kind is Kind.COMPUTE)
        ratios = [ratio for row in rows if (ratio := row.ratio(measure)) is not None]
        return geometric_mean(ratios) if ratios else None


def guest_time(sample: Sample) -> float:
    """Return the time from the guest's first console line to its last."""
    return sample.guest


def wall_time(sample: Sample) -> float:
    """Return the time from the process's start to its end."""
    return sample.wall


def cpu_time(sample: Sample) -> float:
    """Return the processor time of the process."""
    return sample.cpu


def median_of(samples: Iterable[Sample], measure: Measure) -> float:
    """Return the median of a figure."""
    return median(map(measure, samples))
