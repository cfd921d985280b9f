"""How often what was asked of the hypervisor: hypercalls and RTAS calls, with their answers."""

from collections import Counter
from typing import Final, NamedTuple

from papvmm.papr.hcall import status_name
from papvmm.trace.events import HcallDone, RtasDone
from papvmm.trace.hub import Tracer

MOST: Final = 512
"""Names and answers that are told apart: there is no end to the numbers a guest can ask for."""
OTHERS: Final = "others"


class Call(NamedTuple):
    """What was asked for, by its name, and what was answered."""

    name: str
    answer: str


class Census:
    """Listens to a machine and counts its calls."""

    def __init__(self, tracer: Tracer) -> None:
        self.calls: Final[Counter[Call]] = Counter()
        tracer.subscribe(HcallDone, self._hcall)
        tracer.subscribe(RtasDone, self._rtas)

    def _hcall(self, event: HcallDone) -> None:
        self._count(Call(event.name, status_name(event.status)))

    def _rtas(self, event: RtasDone) -> None:
        status = event.returns[0] if event.returns else 0
        answer = "" if not event.returns else f"{status - (status >> 31 << 32)}"
        self._count(Call(f"rtas {event.name}", answer))

    def _count(self, call: Call) -> None:
        known = call in self.calls or len(self.calls) < MOST
        self.calls[call if known else Call(OTHERS, "")] += 1
