"""Runs of benchmarks that never ran."""

from dataclasses import replace

from papvmm.observe.bench.catalogue import Benchmark, Kind
from papvmm.observe.bench.figures import Comparison, Row, Sample

SAMPLE = Sample(
    guest=1.0, wall=2.0, cpu=1.5, memory=1 << 20, checksum="aa", ticks=512_000, events=0, event=""
)


def sample(**changes) -> Sample:
    """A run of a million instructions in a second, with changes."""
    return replace(SAMPLE, **changes)


def row(name, ours, theirs=(), kind=Kind.COMPUTE, **changes) -> Row:
    """A benchmark that took so many seconds in each run."""
    benchmark = Benchmark(name, "be", kind)
    return Row(
        benchmark,
        tuple(sample(guest=seconds, **changes) for seconds in ours),
        tuple(sample(guest=seconds, **changes) for seconds in theirs),
    )


def comparison(*rows: Row, qemu="7.2.22") -> Comparison:
    return Comparison("native", "100M", 3, qemu, rows)
