"""The benchmarks of guests/bench, and what each is for."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How a benchmark's time is to be read."""

    COMPUTE = "compute"
    """Instructions of ordinary programs: counts in the geometric mean."""

    EVENT = "event"
    """Time an event, such as a hypercall."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A guest: which program (``guest``) of the image of which byte order (``be`` or ``le``)."""

    guest: str
    order: str
    kind: Kind

    @property
    def name(self) -> str:
        """What users call it: ``fib``, or ``fib-le`` for the little-endian one."""
        return self.guest if self.order == "be" else f"{self.guest}-{self.order}"

    @property
    def image(self) -> str:
        """The file in ``papvmm/images``."""
        return f"bench-{self.order}.elf"


_PROGRAMS: Final = {
    "fib": Kind.COMPUTE,
    "sieve": Kind.COMPUTE,
}

CATALOGUE: Final = {
    benchmark.name: benchmark
    for order in ("be", "le")
    for guest, kind in _PROGRAMS.items()
    for benchmark in (Benchmark(guest, order, kind),)
}
"""Every benchmark by its name."""

USUAL: Final = (
    *(name for name, benchmark in CATALOGUE.items() if benchmark.order == "be"),
    "fib-le",
    "sieve-le",
)
"""What is measured unless names are given."""
