"""The benchmarks of guests/bench, and what each is for."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """How a benchmark's time is to be read."""

    COMPUTE = "compute"
    """Instructions of ordinary programs: counts in the geometric mean."""

    FLOAT = "float"
    """Floating point, which QEMU computes in software: not in the mean."""

    EVENT = "event"
    """The time of an event, such as a hypercall."""


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


_GUESTS: Final = {
    Kind.COMPUTE: "fib sieve sort matmul memops crc32 branchy indirect chase interp bigcode",
    Kind.FLOAT: "hardfloat",
    Kind.EVENT: "chasefar codedata datafar coldcode hcall scrfid smc",
}

CATALOGUE: Final = {
    benchmark.name: benchmark
    for order in ("be", "le")
    for kind, guests in _GUESTS.items()
    for guest in guests.split()
    for benchmark in (Benchmark(guest, order, kind),)
}
"""Every benchmark by its name."""

USUAL: Final = (
    *(name for name, benchmark in CATALOGUE.items() if benchmark.order == "be"),
    *("fib-le", "sieve-le", "memops-le", "interp-le"),
)
"""What is measured unless names are given."""
