"""A comparison as JSON: every run, in seconds, bytes and counts."""

from dataclasses import asdict
from typing import TypeAlias

from papvmm.observe.bench.figures import Comparison, Row, cpu_time, guest_time, wall_time

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

MEASURES = {"guest": guest_time, "wall": wall_time, "cpu": cpu_time}


def as_json(comparison: Comparison) -> dict[str, Json]:
    """Return how it was measured, each benchmark's runs and ratios, and the geometric means."""
    return {
        "accel": comparison.accel,
        "scale": comparison.scale,
        "cold": comparison.cold,
        "runs": comparison.runs,
        "qemu": comparison.qemu or None,
        "geomean": {name: comparison.geomean(measure) for name, measure in MEASURES.items()},
        "benchmarks": {row.benchmark.name: _row(row) for row in comparison.rows},
    }


def _row(row: Row) -> dict[str, Json]:
    return {
        "kind": row.benchmark.kind.value,
        "trouble": row.trouble or None,
        "instructions": None if row.trouble else row.instructions,
        "ratio": {name: row.ratio(measure) for name, measure in MEASURES.items()},
        "papvmm": [asdict(sample) for sample in row.ours],
        "qemu": [asdict(sample) for sample in row.theirs],
    }
