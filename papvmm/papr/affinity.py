"""Affinity (PAPR 15): every processor and all memory are in one domain, node 0.

A list of domains goes from the widest to the narrowest; the last one of a processor is the
processor itself.
"""

from typing import Final

NODE: Final = 0
MEMORY_DOMAINS: Final = (NODE,)
REFERENCE_POINTS: Final = (1,)
"""Which domains matter for distance, counted from 1."""


def domains(processor: int) -> tuple[int, ...]:
    """Return the domains of a processor, virtual or physical."""
    return (NODE, processor)
